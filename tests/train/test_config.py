"""Training configurations: files, overrides, and refused values."""

import json
from pathlib import Path

import pytest

from facehub.model.spec import ModelSpec
from train.config import TrainConfig, load_config, remember_config

CONFIGS = sorted((Path(__file__).parents[2] / "train" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_load(path: Path) -> None:
    config = load_config(path)
    assert config.margin_max == 0.35
    assert config.margin_epochs < config.epochs


def test_overrides_win_and_are_typed() -> None:
    config = load_config(
        CONFIGS[0],
        ["epochs=3", "learning_rate=1", "data=elsewhere", "head=average", "sizes=[[0,8,8]]"],
    )
    assert (config.epochs, config.learning_rate, config.data) == (3, 1.0, "elsewhere")
    assert isinstance(config.learning_rate, float)
    assert config.sizes == ((0, 8, 8),)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "no setting epoch"),
        ("epochs", "not name=value"),
        ("epochs=many", "epochs must be of type int"),
        ("epochs=0", "epochs must be positive"),
        ("augmentation=some", "augmentation must be none, flip or full"),
        ("augmentation_probability=2", "from 0 to 1"),
        ("optimizer=lion", "sgd or adamw"),
        ("schedule=cosine", "plateau or steps"),
        ("margin_type=sphereface", "arcface, cosface or adaface"),
        ("milestones=[5,3]", "must be ascending"),
        ("cooldown_to=0.01", "must not exceed the schedule.s last share, 0.001"),
        ("partial_fc=2", "0 to 1"),
        ("partial_fc=0.1", "needs clip_centres = false"),
        ("steps=-1", "not be negative"),
        ("amp=fp8", "amp must be fp16, bf16 or off"),
        ("teachers=['x.npz']", "teachers need projection_weight or relation_weight above 0"),
        ("relation_weight=1", "teachers need projection_weight or relation_weight above 0"),
        ("margin_max=2", "less than 1.6"),
        ("learning_rate=nan", "learning_rate must be a number, not nan"),
        ("ema=inf", "ema must be a number, not inf"),
        ("sizes=[[1,8,8]]", "start at epoch 0"),
        ("stem=flower", "unknown stem 'flower'"),
        ("head=tail", "unknown head 'tail'"),
    ],
)
def test_invalid_setting_is_named(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_config(CONFIGS[0], ["clip_centres=true", override])


def test_each_stem_has_a_default_head() -> None:
    def spec(**settings: object) -> ModelSpec:
        return TrainConfig(data="x", **settings).encoder_spec  # type: ignore[arg-type]

    assert spec(dilated=True) == ModelSpec(stem="face", dilated=True)
    assert spec(stem="iresnet") == ModelSpec(stem="iresnet", head="flatten")
    assert spec(stem="iresnet", head="average") == ModelSpec(stem="iresnet")
    assert spec(head="depthwise") == ModelSpec(stem="face", head="depthwise")


def test_flatten_and_depthwise_heads_refuse_other_input_sizes() -> None:
    small = ((0, 64, 56), (3, 112, 96))
    with pytest.raises(ValueError, match="flatten head of the iresnet stem needs 112 x 96"):
        TrainConfig(data="x", stem="iresnet", sizes=small)
    with pytest.raises(ValueError, match="of the face stem needs 112 x 96, not 64 x 56"):
        TrainConfig(data="x", head="depthwise", sizes=small)
    with pytest.raises(ValueError, match="iresnet stem cannot be dilated"):
        TrainConfig(data="x", stem="iresnet", dilated=True)
    assert TrainConfig(data="x", stem="iresnet", head="average", sizes=small).sizes == small


def test_config_without_data_is_refused() -> None:
    with pytest.raises(ValueError, match="at least data"):
        load_config(None)


def test_size_at_an_epoch() -> None:
    config = TrainConfig(data="x", sizes=((0, 64, 56), (3, 112, 96)))
    assert [config.size_at(epoch) for epoch in (0, 2, 3, 9)] == [
        (0, 64, 56),
        (0, 64, 56),
        (3, 112, 96),
        (3, 112, 96),
    ]


def test_run_keeps_its_configuration_and_refuses_another(tmp_path: Path) -> None:
    config = TrainConfig(data="x")
    remember_config(config, tmp_path / "run", started=False)
    path = tmp_path / "run" / "config.json"
    before = path.stat()
    remember_config(config, tmp_path / "run", started=True)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with pytest.raises(ValueError, match="another configuration"):
        remember_config(TrainConfig(data="y"), tmp_path / "run", started=True)


def test_settings_may_change_before_the_first_checkpoint(tmp_path: Path) -> None:
    remember_config(TrainConfig(data="x"), tmp_path, started=False)
    remember_config(TrainConfig(data="y"), tmp_path, started=False)
    remember_config(TrainConfig(data="y"), tmp_path, started=True)


def test_setting_missing_in_an_older_run_counts_as_its_default(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"data": "x", "dropped": 1}))
    remember_config(TrainConfig(data="x"), tmp_path, started=True)
    with pytest.raises(ValueError, match="another configuration"):
        remember_config(TrainConfig(data="x", clip=1.0), tmp_path, started=True)
