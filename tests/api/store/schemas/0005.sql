BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE api_key (
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	last_used_at DATETIME, 
	revoked_at DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (hash)
);
INSERT INTO "api_key" VALUES('key-1','laptop','abababababababababababababababababababababababababababababababab','submit','2026-11-19 09:00:00.000000',NULL,NULL);
CREATE TABLE artifact (
	experiment INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	round INTEGER, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (experiment, name), 
	FOREIGN KEY(experiment) REFERENCES experiment (number) ON DELETE CASCADE
);
INSERT INTO "artifact" VALUES(1,'model.safetensors','model',1234,'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd',5,'2026-11-20 10:00:00.000000');
CREATE TABLE "attempt" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	experiment INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	token INTEGER NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	lease_expires_at DATETIME NOT NULL, 
	driver_pid INTEGER, 
	node VARCHAR(200), 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	exit_reason VARCHAR(64), 
	CONSTRAINT uq_attempt_experiment_number UNIQUE (experiment, number), 
	FOREIGN KEY(experiment) REFERENCES experiment (number) ON DELETE CASCADE
);
INSERT INTO "attempt" VALUES(1,1,1,1,'dispatcher-1','2026-10-01 00:41:00.123456',4711,'node-a','2026-10-01 00:02:00.123456','2026-10-01 00:03:00.123456','driver_lost');
INSERT INTO "attempt" VALUES(2,1,2,2,'dispatcher-1','2026-10-01 00:41:00.123456',4711,'node-a','2026-10-01 00:02:00.123456','2026-10-01 00:09:00.123456','succeeded');
INSERT INTO "attempt" VALUES(3,2,1,1,'dispatcher-1','2026-10-01 00:42:00.123456',4711,'node-a','2026-10-01 00:03:00.123456','2026-10-01 00:20:00.123456','diverged');
INSERT INTO "attempt" VALUES(5,3,1,1,'dispatcher-1','2026-10-01 00:43:00.123456',4711,'node-a','2026-10-01 00:04:00.123456',NULL,NULL);
CREATE TABLE event (
	experiment INTEGER NOT NULL, 
	id INTEGER NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	"key" TEXT NOT NULL, 
	data JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (experiment, id), 
	CONSTRAINT uq_event_experiment_key UNIQUE (experiment, "key"), 
	FOREIGN KEY(experiment) REFERENCES experiment (number) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "event" VALUES(1,1,'state','state:0:QUEUED','{"state": "QUEUED", "reason": null, "message": null}','2026-10-01 00:02:00.123456');
INSERT INTO "event" VALUES(1,2,'state','state:1:STARTING','{"state": "STARTING", "reason": null, "message": null}','2026-10-01 00:03:00.123456');
INSERT INTO "event" VALUES(1,3,'state','state:1:INTERRUPTED','{"state": "INTERRUPTED", "reason": "driver_lost", "message": "its driver is gone"}','2026-10-01 00:04:00.123456');
INSERT INTO "event" VALUES(1,4,'state','state:1:QUEUED','{"state": "QUEUED", "reason": "driver_lost", "message": "its driver is gone"}','2026-10-01 00:05:00.123456');
INSERT INTO "event" VALUES(1,5,'state','state:2:STARTING','{"state": "STARTING", "reason": null, "message": null}','2026-10-01 00:06:00.123456');
INSERT INTO "event" VALUES(1,6,'state','state:2:RUNNING','{"state": "RUNNING", "reason": null, "message": null}','2026-10-01 00:07:00.123456');
INSERT INTO "event" VALUES(1,7,'round_finished','round_finished:1','{"round": 1, "rounds": 2, "metrics": {"test_accuracy": 0.6, "train_loss": null}}','2026-10-01 00:08:00.123456');
INSERT INTO "event" VALUES(1,8,'round_finished','round_finished:2','{"round": 2, "rounds": 2, "metrics": {"test_accuracy": 0.7, "train_loss": 1.25}}','2026-10-01 00:09:00.123456');
INSERT INTO "event" VALUES(1,9,'state','state:2:SUCCEEDED','{"state": "SUCCEEDED", "reason": null, "message": null}','2026-10-01 00:10:00.123456');
INSERT INTO "event" VALUES(2,1,'state','state:0:QUEUED','{"state": "QUEUED", "reason": null, "message": null}','2026-10-01 00:03:00.123456');
INSERT INTO "event" VALUES(2,2,'state','state:1:STARTING','{"state": "STARTING", "reason": null, "message": null}','2026-10-01 00:04:00.123456');
INSERT INTO "event" VALUES(2,3,'state','state:1:RUNNING','{"state": "RUNNING", "reason": null, "message": null}','2026-10-01 00:05:00.123456');
INSERT INTO "event" VALUES(2,4,'round_finished','round_finished:1','{"round": 1, "rounds": 2, "metrics": {"test_accuracy": 0.6, "train_loss": null}}','2026-10-01 00:06:00.123456');
INSERT INTO "event" VALUES(2,5,'state','state:1:FAILED','{"state": "FAILED", "reason": "diverged", "message": "the loss isn''t finite"}','2026-10-01 00:07:00.123456');
INSERT INTO "event" VALUES(3,1,'state','state:0:QUEUED','{"state": "QUEUED", "reason": null, "message": null}','2026-10-01 00:04:00.123456');
INSERT INTO "event" VALUES(3,2,'state','state:1:STARTING','{"state": "STARTING", "reason": null, "message": null}','2026-10-01 00:05:00.123456');
INSERT INTO "event" VALUES(3,3,'state','state:1:RUNNING','{"state": "RUNNING", "reason": null, "message": null}','2026-10-01 00:06:00.123456');
INSERT INTO "event" VALUES(3,4,'round_finished','round_finished:1','{"round": 1, "rounds": 2, "metrics": {"test_accuracy": 0.6, "train_loss": null}}','2026-10-01 00:07:00.123456');
INSERT INTO "event" VALUES(4,1,'state','state:0:QUEUED','{"state": "QUEUED", "reason": null, "message": null}','2026-10-01 00:05:00.123456');
INSERT INTO "event" VALUES(5,1,'state','state:0:QUEUED','{"state": "QUEUED", "reason": null, "message": null}','2026-10-01 00:06:00.123456');
INSERT INTO "event" VALUES(5,2,'state','state:0:CANCELLED','{"state": "CANCELLED", "reason": "cancel_requested", "message": "cancelled on request"}','2026-10-01 00:07:00.123456');
CREATE TABLE experiment (
	number INTEGER NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	spec JSON NOT NULL, 
	spec_hash VARCHAR(64) NOT NULL, 
	trajectory_hash VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(64), 
	message TEXT, 
	round INTEGER NOT NULL, 
	rounds INTEGER NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	attempts INTEGER NOT NULL, 
	events INTEGER NOT NULL, 
	retried_from VARCHAR(32), idempotency_key VARCHAR(200), sweep_id VARCHAR(32), trial INTEGER, revision INTEGER DEFAULT '1' NOT NULL, archived_at DATETIME, retry JSON, resources JSON, waiting TEXT, forked_from VARCHAR(32), forked_round INTEGER, submitted_by VARCHAR(32), test_accuracy FLOAT, validation_accuracy FLOAT, auxiliary_accuracy FLOAT, objectives JSON, 
	PRIMARY KEY (number), 
	UNIQUE (id)
);
INSERT INTO "experiment" VALUES(1,'succeeded1','old-succeeded1','{"schema_version": 1, "name": "digits-heron-example", "seed": 0, "rounds": 2, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5, "law": "per_class", "minimum": 2}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "cut": null, "auxiliary": {"kind": "linear"}, "lora": null}, "clients": {"count": 10, "per_round": null, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "upload_every": 1, "upload": "vectors", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward", "replay": true}, "client_optimizer": {"kind": "sgd", "lr": 0.04, "momentum": 0.0, "weight_decay": 0.0}, "client_optimizer_lifetime": "round", "server_optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}}, "aggregation": {"kind": "mean", "weights": "uniform"}, "attack": null, "evaluation": {"every": 10, "batch_size": 1024, "estimator_quality": false}, "stop": null, "compute": {"executor": "auto", "actors": 2, "device": "cpu", "threads": 1, "compile": false, "checkpoint_every": 50}}','da388e0182b56885add9da234db0f22da07ae5c259ab6e9b4050466b244b7352','4e48b70d999b094b3d717d6337507ae66b0e8fdee8a25a952da9c51b3938f347','SUCCEEDED',NULL,NULL,2,2,'{"state": "SUCCEEDED", "rounds": 2, "test_accuracy": 0.9472222222222222}','2026-10-01 00:01:00.123456','2026-10-01 00:31:00.123456',2,9,NULL,'night-1',NULL,NULL,2,NULL,'{"max_attempts": 3, "reasons": ["lease_expired"]}','{"cpus": 1.0}',NULL,NULL,NULL,'key-1',9.47222222222222187681e-01,NULL,NULL,NULL);
INSERT INTO "experiment" VALUES(2,'failed2','old-failed2','{"schema_version": 1, "name": "digits-heron-example", "seed": 0, "rounds": 2, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5, "law": "per_class", "minimum": 2}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "cut": null, "auxiliary": {"kind": "linear"}, "lora": null}, "clients": {"count": 10, "per_round": null, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "upload_every": 1, "upload": "vectors", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward", "replay": true}, "client_optimizer": {"kind": "sgd", "lr": 0.04, "momentum": 0.0, "weight_decay": 0.0}, "client_optimizer_lifetime": "round", "server_optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}}, "aggregation": {"kind": "mean", "weights": "uniform"}, "attack": null, "evaluation": {"every": 10, "batch_size": 1024, "estimator_quality": false}, "stop": null, "compute": {"executor": "auto", "actors": 2, "device": "cpu", "threads": 1, "compile": false, "checkpoint_every": 50}}','da388e0182b56885add9da234db0f22da07ae5c259ab6e9b4050466b244b7352','4e48b70d999b094b3d717d6337507ae66b0e8fdee8a25a952da9c51b3938f347','FAILED','diverged','the loss isn''t finite',1,2,NULL,'2026-10-01 00:02:00.123456','2026-10-01 00:32:00.123456',1,5,'succeeded1',NULL,NULL,NULL,1,'2026-11-20 10:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "experiment" VALUES(3,'running3','old-running3','{"schema_version": 1, "name": "digits-heron-example", "seed": 0, "rounds": 2, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5, "law": "per_class", "minimum": 2}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "cut": null, "auxiliary": {"kind": "linear"}, "lora": null}, "clients": {"count": 10, "per_round": null, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "upload_every": 1, "upload": "vectors", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward", "replay": true}, "client_optimizer": {"kind": "sgd", "lr": 0.04, "momentum": 0.0, "weight_decay": 0.0}, "client_optimizer_lifetime": "round", "server_optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}}, "aggregation": {"kind": "mean", "weights": "uniform"}, "attack": null, "evaluation": {"every": 10, "batch_size": 1024, "estimator_quality": false}, "stop": null, "compute": {"executor": "auto", "actors": 2, "device": "cpu", "threads": 1, "compile": false, "checkpoint_every": 50}}','da388e0182b56885add9da234db0f22da07ae5c259ab6e9b4050466b244b7352','4e48b70d999b094b3d717d6337507ae66b0e8fdee8a25a952da9c51b3938f347','RUNNING',NULL,NULL,1,2,NULL,'2026-10-01 00:03:00.123456','2026-10-01 00:33:00.123456',1,4,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "experiment" VALUES(4,'queued4','old-queued4','{"schema_version": 1, "name": "digits-heron-example", "seed": 0, "rounds": 2, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5, "law": "per_class", "minimum": 2}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "cut": null, "auxiliary": {"kind": "linear"}, "lora": null}, "clients": {"count": 10, "per_round": null, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "upload_every": 1, "upload": "vectors", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward", "replay": true}, "client_optimizer": {"kind": "sgd", "lr": 0.04, "momentum": 0.0, "weight_decay": 0.0}, "client_optimizer_lifetime": "round", "server_optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}}, "aggregation": {"kind": "mean", "weights": "uniform"}, "attack": null, "evaluation": {"every": 10, "batch_size": 1024, "estimator_quality": false}, "stop": null, "compute": {"executor": "auto", "actors": 2, "device": "cpu", "threads": 1, "compile": false, "checkpoint_every": 50}}','da388e0182b56885add9da234db0f22da07ae5c259ab6e9b4050466b244b7352','4e48b70d999b094b3d717d6337507ae66b0e8fdee8a25a952da9c51b3938f347','QUEUED',NULL,NULL,0,2,NULL,'2026-10-01 00:04:00.123456','2026-10-01 00:34:00.123456',0,1,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,'it waits for 2 of 2 processors',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "experiment" VALUES(5,'trial5','old-trial5','{"schema_version": 1, "name": "digits-heron-example", "seed": 0, "rounds": 2, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5, "law": "per_class", "minimum": 2}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "cut": null, "auxiliary": {"kind": "linear"}, "lora": null}, "clients": {"count": 10, "per_round": null, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "upload_every": 1, "upload": "vectors", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward", "replay": true}, "client_optimizer": {"kind": "sgd", "lr": 0.04, "momentum": 0.0, "weight_decay": 0.0}, "client_optimizer_lifetime": "round", "server_optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}}, "aggregation": {"kind": "mean", "weights": "uniform"}, "attack": null, "evaluation": {"every": 10, "batch_size": 1024, "estimator_quality": false}, "stop": null, "compute": {"executor": "auto", "actors": 2, "device": "cpu", "threads": 1, "compile": false, "checkpoint_every": 50}}','da388e0182b56885add9da234db0f22da07ae5c259ab6e9b4050466b244b7352','4e48b70d999b094b3d717d6337507ae66b0e8fdee8a25a952da9c51b3938f347','CANCELLED','cancel_requested','cancelled on request',0,2,NULL,'2026-10-01 00:05:00.123456','2026-10-01 00:35:00.123456',0,2,NULL,NULL,'sweep1',1,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE experiment_tag (
	experiment INTEGER NOT NULL, 
	tag VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	PRIMARY KEY (experiment, tag), 
	FOREIGN KEY(experiment) REFERENCES experiment (number) ON DELETE CASCADE
);
INSERT INTO "experiment_tag" VALUES(1,'night',0);
INSERT INTO "experiment_tag" VALUES(1,'zürich',1);
INSERT INTO "experiment_tag" VALUES(5,'sweep-sweep1',0);
CREATE TABLE point (
	experiment INTEGER NOT NULL, 
	series VARCHAR(200) NOT NULL, 
	round INTEGER NOT NULL, 
	value FLOAT, 
	PRIMARY KEY (experiment, series, round), 
	FOREIGN KEY(experiment) REFERENCES experiment (number) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "point" VALUES(1,'test_accuracy',1,0.6);
INSERT INTO "point" VALUES(1,'test_accuracy',2,0.7);
INSERT INTO "point" VALUES(1,'train_loss',1,NULL);
INSERT INTO "point" VALUES(1,'train_loss',2,1.25);
INSERT INTO "point" VALUES(2,'test_accuracy',1,0.6);
INSERT INTO "point" VALUES(2,'train_loss',1,NULL);
INSERT INTO "point" VALUES(3,'test_accuracy',1,0.6);
INSERT INTO "point" VALUES(3,'train_loss',1,NULL);
CREATE TABLE study (
	number INTEGER NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	study JSON NOT NULL, 
	cells INTEGER NOT NULL, 
	experiments INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	submitted_by VARCHAR(32), 
	idempotency_key VARCHAR(200), 
	PRIMARY KEY (number), 
	UNIQUE (id)
);
INSERT INTO "study" VALUES(1,'study1','kept','{"name": "kept", "base": {"name": "digits-heron-example", "seed": 0, "rounds": 20, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}}, "clients": {"count": 10, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward"}, "client_optimizer": {"kind": "sgd", "lr": 0.04}, "server_optimizer": {"kind": "sgd", "lr": 0.1}}, "aggregation": {"kind": "mean"}}, "given": {}, "axes": {"attack": {"kind": "cases", "cases": {"none": {"attack": null}, "sign_flip": {"attack": {"kind": "sign_flip", "byzantine": 2}}}}, "rule": {"kind": "path", "path": "aggregation.kind", "values": ["mean", "median"]}, "probes": {"kind": "path", "path": "method.zeroth_order.probes", "values": [2, 8]}}, "seeds": [0, 1], "impossible": "refuse", "figures": [{"split": "test", "kind": "worst_case", "over": "attack", "rows": "rule", "columns": "probes"}]}',4,2,'2026-11-20 10:00:00.000000',NULL,'night');
CREATE TABLE study_cell (
	study INTEGER NOT NULL, 
	cell INTEGER NOT NULL, 
	experiment INTEGER, 
	impossible TEXT, 
	PRIMARY KEY (study, cell), 
	FOREIGN KEY(study) REFERENCES study (number) ON DELETE CASCADE, 
	FOREIGN KEY(experiment) REFERENCES experiment (number) ON DELETE SET NULL
);
INSERT INTO "study_cell" VALUES(1,0,1,NULL);
INSERT INTO "study_cell" VALUES(1,1,2,NULL);
INSERT INTO "study_cell" VALUES(1,2,NULL,'f is too large');
INSERT INTO "study_cell" VALUES(1,3,NULL,NULL);
CREATE TABLE sweep (
	number INTEGER NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	base JSON NOT NULL, 
	sweep JSON NOT NULL, 
	proposals JSON, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(64), 
	message TEXT, 
	token INTEGER NOT NULL, 
	owner VARCHAR(200), 
	owner_pid INTEGER, 
	lease_expires_at DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, paused_at DATETIME, submitted_by VARCHAR(32), idempotency_key VARCHAR(200), samples INTEGER, 
	PRIMARY KEY (number), 
	UNIQUE (id)
);
INSERT INTO "sweep" VALUES(1,'sweep1','swept','{"name": "digits-heron-example", "seed": 0, "rounds": 20, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}}, "clients": {"count": 10, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward"}, "client_optimizer": {"kind": "sgd", "lr": 0.04}, "server_optimizer": {"kind": "sgd", "lr": 0.1}}, "aggregation": {"kind": "mean"}}','{"space": {"name": "mu", "description": "The perturbation scale of the zeroth-order estimate.", "given": {}, "axes": {"method.zeroth_order.mu": {"kind": "loguniform", "low": 1e-05, "high": 0.1, "reason": "The bias of the estimate grows with mu, its rounding error with 1/mu: a loss near 1 in float32 resolves about 1e-7, so below 1e-5 the difference of two losses is mostly noise, and above 1e-1 a probe leaves the region where the loss is close to linear."}}}, "samples": 2, "search": "random", "scheduler": "none", "seed": 0}','[{"method.zeroth_order.mu": 0.001}, {"method.zeroth_order.mu": 0.01}]','RUNNING',NULL,NULL,1,'dispatcher-1',99,'2026-10-01 00:50:00.123456','2026-10-01 00:05:00.123456','2026-10-01 00:06:00.123456',NULL,NULL,NULL,NULL);
INSERT INTO "sweep" VALUES(2,'sweep2','swept','{"name": "digits-heron-example", "seed": 0, "rounds": 20, "data": {"kind": "digits"}, "partition": {"kind": "dirichlet", "alpha": 0.5}, "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}}, "clients": {"count": 10, "batch_size": 32, "local_steps": 5}, "method": {"kind": "heron", "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward"}, "client_optimizer": {"kind": "sgd", "lr": 0.04}, "server_optimizer": {"kind": "sgd", "lr": 0.1}}, "aggregation": {"kind": "mean"}}','{"space": {"name": "mu", "description": "The perturbation scale of the zeroth-order estimate.", "given": {}, "axes": {"method.zeroth_order.mu": {"kind": "loguniform", "low": 1e-05, "high": 0.1, "reason": "The bias of the estimate grows with mu, its rounding error with 1/mu: a loss near 1 in float32 resolves about 1e-7, so below 1e-5 the difference of two losses is mostly noise, and above 1e-1 a probe leaves the region where the loss is close to linear."}}}, "samples": 2, "search": "random", "scheduler": "none", "seed": 0}',NULL,'CANCELLED','cancel_requested','cancelled on request',0,NULL,NULL,NULL,'2026-10-01 00:05:00.123456','2026-10-01 00:06:00.123456',NULL,NULL,NULL,NULL);
CREATE INDEX ix_experiment_state_number ON experiment (state, number);
CREATE UNIQUE INDEX uq_experiment_idempotency_key ON experiment (idempotency_key);
CREATE INDEX ix_experiment_tag_tag_experiment ON experiment_tag (tag, experiment);
CREATE INDEX ix_attempt_living ON attempt (experiment) WHERE ended_at IS NULL;
CREATE INDEX ix_sweep_state_number ON sweep (state, number);
CREATE UNIQUE INDEX uq_experiment_sweep_id_trial ON experiment (sweep_id, trial);
CREATE INDEX ix_experiment_state_updated_at ON experiment (state, updated_at, number);
CREATE INDEX ix_experiment_state_name ON experiment (state, name, number);
CREATE INDEX ix_experiment_state_test_accuracy ON experiment (state, test_accuracy, number);
CREATE INDEX ix_experiment_state_validation_accuracy ON experiment (state, validation_accuracy, number);
CREATE INDEX ix_experiment_state_auxiliary_accuracy ON experiment (state, auxiliary_accuracy, number);
CREATE INDEX ix_experiment_archived ON experiment (number) WHERE archived_at IS NOT NULL;
CREATE UNIQUE INDEX uq_sweep_idempotency_key ON sweep (idempotency_key);
CREATE UNIQUE INDEX uq_study_idempotency_key ON study (idempotency_key);
CREATE INDEX ix_study_cell_experiment ON study_cell (experiment);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('attempt',5);
COMMIT;
