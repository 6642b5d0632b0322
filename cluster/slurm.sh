#!/bin/bash
#SBATCH --job-name=heron-ray
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --output=heron-%j.log
# A service on a Ray cluster of the job's nodes:   sbatch cluster/slurm.sh
#
# Submit it from the repository, which all nodes see, after `make setup`. Options of sbatch on the command line go before those above.
# Three minutes before the time is over the service is told to stop: running experiments leave checkpoints and go back to the queue,
# and the next job with the same HERON_STATE_DIR goes on with them. To reach the service: ssh -L 8000:NODE:8000, with the node and
# the key that the log names.
#
#   HERON_STATE_DIR   a folder that all nodes see; default: heron-state beside the job's working directory
#   HERON_DATA_DIR    data sets, likewise
#   HERON_PORT        of the API, default 8000;  RAY_PORT of the cluster, default 6379
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
. .venv/bin/activate
state=${HERON_STATE_DIR:-$PWD/heron-state}
port=${HERON_PORT:-8000}
ray_port=${RAY_PORT:-6379}
cpus=${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}
address=$(python -c 'import ray; print(ray.util.get_node_ip_address())')

# Whoever reaches Ray's ports can run programs as you: the token is this job's own, and leaves it with no file.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

ray start --head --block --node-ip-address="$address" --port="$ray_port" --num-cpus="$cpus" --include-dashboard=false \
  --disable-usage-stats --temp-dir="$(mktemp -d /tmp/heron-XXXXX)" &
until ray health-check --address="$address:$ray_port" >/dev/null 2>&1; do sleep 1; done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$SLURMD_NODENAME" \
    ray start --block --address="$address:$ray_port" --num-cpus="$cpus" --disable-usage-stats &
fi

mkdir -p "$state"
[ -s "$state/slurm.key" ] || (umask 077 && heron key create --name slurm --scope admin --state-dir "$state" > "$state/slurm.key")
echo "heron-ray: http://$address:$port with the key in $state/slurm.key"
heron serve --ray-address "$address:$ray_port" --state-dir "$state" --host "$address" --port "$port" &
service=$!
trap 'kill -TERM $service' TERM
wait $service || true # until it ends, or the signal comes; then until it has ended
wait $service || true
jobs -p | xargs -r kill 2>/dev/null || true
wait
