import json

from PIL import Image


def test_heron_invert_writes_figures_and_a_picture_and_reads_a_checkpoint(heron, spec_file, tmp_path) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "seen"
    assert heron("run", spec_file, "--checkpoint-dir", kept, "--no-progress").code == 0
    few = ["--epochs", "5", "--victims", "20"]
    told = heron("invert", spec_file, *few, "--checkpoint", kept, "--to", folder, "--json").object
    assert told["round"] == 3
    assert told == json.loads((folder / "inversion.json").read_text(encoding="utf-8"))
    with Image.open(folder / "inversion.png") as picture:
        assert picture.size == (16 * 9 * 6, 3 * 9 * 6)
    noised = heron("run", spec_file, "--set", "privacy={smashed: {clip: 1, sigma: 5}}", "--no-progress")
    assert "(3 releases)" in noised.stdout
    assert "epsilon of smashed data" in noised.stdout
    assert "class mean psnr db" in heron("invert", spec_file, *few).stdout
    assert heron("invert", spec_file, *few, "--json").object["mse"] != told["mse"]
