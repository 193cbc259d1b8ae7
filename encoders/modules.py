"""Read a sentence-transformers folder by its ``modules.json``: each setting is followed, or refused by its name."""

import logging
from pathlib import Path
from typing import Any

from encoders.dense import Step, read_dense
from encoders.errors import Failure
from encoders.layout import POOLINGS, Layout, read_json, read_limit, read_object

logger = logging.getLogger("slatelab.encoders")

KINDS = ("Transformer", "Pooling", "Dropout", "Dense", "Normalize")
_REPEATED = ("Dropout", "Dense", "Normalize")
_CONFIGS = "sentence_*_config.json"
"""Settings of the Transformer; the star is the kind of the model, today always ``bert``."""
_SENTENCE = "config_sentence_transformers.json"
_LEGACY_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_PLAIN_TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}


def read_folder(folder: Path) -> tuple[Path, Layout]:
    """Return the folder of the transformers model within a model's folder, and its layout; see also `read_head`.

    A folder without ``modules.json`` is a plain transformers model: the mean over its tokens.

    Raises:
        Failure: the folder asks for a module or a setting that this package does not have.
    """
    modules = read_json(folder / "modules.json")
    if modules is None:
        _refuse_half_a_folder(folder)
        return folder, Layout(max_length=read_limit(folder))
    placed = _modules(folder, modules)
    paths = dict(placed)
    limit, lower_case = _read_transformer(paths["Transformer"])
    pooling, reads_prompt = _read_pooling(paths["Pooling"] / "config.json")
    last = [kind for kind, _ in placed if kind != "Dropout"][-1]
    prompt, width = _read_model(folder / _SENTENCE, reads_prompt, last == "Normalize")
    layout = Layout(pooling=pooling, max_length=limit, lower_case=lower_case, prompt=prompt, width=width)
    return paths["Transformer"], layout


def read_head(folder: Path) -> tuple[Step, ...]:
    """Return what is done to the pooled vector of a text, in order; nothing where that is to scale it at most.

    Raises:
        Failure: a layer is not one that this package has.
    """
    modules = read_json(folder / "modules.json")
    placed = [] if modules is None else _modules(folder, modules)
    steps: list[Step] = []
    for kind, path in placed:
        if kind == "Normalize":
            normalize = _Settings(path / "config.json")
            normalize.expect("module_input_name", "sentence_embedding")
            normalize.expect("module_output_name", "sentence_embedding")
            normalize.refuse_rest()
            steps.append(None)
        elif kind == "Dense":
            steps.append(read_dense(path))
    return tuple(steps) if any(steps) else ()


class _Settings:
    """The settings of one file; what nobody has taken is refused at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = read_object(path)

    def take(self, *names: str) -> Any:
        """Return the value of the first of these settings that is there, and count all of them as followed."""
        values = [self.left.pop(name) for name in names if name in self.left]
        return values[0] if values else None

    def expect(self, name: str, *values: Any) -> None:
        """Refuse a setting of any other value than these; missing or null it is one of them."""
        value = self.take(name)
        if value is not None and value not in values:
            raise self.refusal(name, value)

    def refuse_rest(self) -> None:
        """Refuse what nobody has taken, unless it is empty."""
        for name, value in self.left.items():
            if value not in (None, False, "", [], {}):
                raise self.refusal(name, value)

    def refusal(self, name: str, value: Any) -> Failure:
        """Return the error that names a setting."""
        return Failure(
            f"{self.path} asks for {name} = {value!r}, which this package does not follow; choose another model"
        )


def _modules(folder: Path, modules: Any) -> list[tuple[str, Path]]:
    """Return kind and folder of each module; they have to be a Transformer, a Pooling, and what works on its vector."""
    path = folder / "modules.json"
    placed: list[tuple[str, Path]] = []
    for module in modules if isinstance(modules, list) else [None]:
        if not isinstance(module, dict) or not isinstance(place := module.get("path", ""), str):
            raise Failure(f"{path} is no list of modules; copy the model folder again")
        library, _, kind = str(module.get("type", "")).rpartition(".")
        if kind not in KINDS or not library.startswith("sentence_transformers"):
            raise Failure(
                f"{path} has a {kind} module ({library or 'of no library'}), which this package does not run; "
                f"choose a model made of {', '.join(KINDS)} alone"
            )
        if Path(place).is_absolute() or ".." in Path(place).parts:
            raise Failure(f"{path} has a module outside the folder ({place}); copy the model folder again")
        if kind in dict(placed) and kind not in _REPEATED:
            raise Failure(f"{path} has two {kind} modules, which this package does not run; choose another model")
        if kind == "Dense" and "Pooling" not in dict(placed):
            raise Failure(f"{path} has a Dense module before any Pooling, which this package does not run")
        placed.append((kind, folder / place))
    kinds = [kind for kind, _ in placed]
    if kinds[:1] != ["Transformer"] or "Pooling" not in kinds:
        raise Failure(f"{path} has {', '.join(kinds) or 'no modules'}; it has to begin with a Transformer and pool it")
    return placed


def _read_transformer(folder: Path) -> tuple[int, bool]:
    """Return how many tokens are read, and whether texts are lowered."""
    found = sorted(folder.glob(_CONFIGS), key=lambda path: (path.name != "sentence_bert_config.json", path.name))
    settings = _Settings(found[0] if found else folder / "sentence_bert_config.json")
    settings.expect("transformer_task", "feature-extraction")
    settings.expect("module_output_name", "token_embeddings")
    modalities = settings.take("modality_config") or {}
    if not isinstance(modalities, dict) or modalities.get("text", _PLAIN_TEXT) != _PLAIN_TEXT:
        raise settings.refusal("modality_config", modalities)
    settings.take("unpad_inputs")  # a matter of speed
    limit, lower_case = settings.take("max_seq_length"), settings.take("do_lower_case")
    settings.refuse_rest()
    return read_limit(folder, limit), bool(lower_case)


def _read_pooling(path: Path) -> tuple[str, bool]:
    """Return the pooling, and whether the tokens of a prompt are pooled too."""
    settings = _Settings(path)
    if not settings.left:
        raise Failure(f"{path} is missing or empty; copy the model folder again")
    legacy = [name for name in _LEGACY_POOLINGS if settings.take(name)]
    mode = settings.take("pooling_mode") or [_LEGACY_POOLINGS[name] for name in legacy] or "mean"
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise Failure(f"{path} asks for pooling {modes}; this package pools by one of {', '.join(POOLINGS)}")
    settings.take("embedding_dimension", "word_embedding_dimension")  # the width of the states, which the model says
    reads_prompt = settings.take("include_prompt")
    settings.refuse_rest()
    return str(modes[0]), reads_prompt is not False


def _read_model(path: Path, reads_prompt: bool, has_unit_length: bool) -> tuple[str | None, int | None]:
    """Return the prompt before every text, and the width that vectors are cut to."""
    settings = _Settings(path)
    settings.take("__version__")
    settings.expect("model_type", "SentenceTransformer")
    # Vectors have unit length here, and then all of these rank alike; of other lengths only the cosine does.
    settings.expect("similarity_fn_name", "cosine", *(("dot", "euclidean") if has_unit_length else ()))
    # Prompts of other names are for whoever asks for them; the default one is for every text.
    prompts, name = settings.take("prompts") or {}, settings.take("default_prompt_name")
    if not isinstance(prompts, dict):
        raise settings.refusal("prompts", prompts)
    if name is None and any(prompts.values()):
        named = ", ".join(other for other, text in prompts.items() if text)
        logger.info("%s has prompts (%s) but none for every text: texts are encoded without", path, named)
    prompt = prompts.get(name) if name else ""
    if not isinstance(prompt, str):
        raise settings.refusal("default_prompt_name", name)
    if prompt and not reads_prompt:
        raise settings.refusal("default_prompt_name", f"{name} without its tokens (include_prompt = false)")
    width = settings.take("truncate_dim")
    if width is not None and (isinstance(width, bool) or not isinstance(width, int)):
        raise settings.refusal("truncate_dim", width)
    settings.refuse_rest()
    return prompt or None, width


def _refuse_half_a_folder(folder: Path) -> None:
    """Refuse settings of sentence-transformers that nothing says how to put together."""
    for pattern in (_SENTENCE, _CONFIGS, "*_Pooling"):
        for path in sorted(folder.glob(pattern)):
            raise Failure(f"{folder} has {path.name} but no modules.json; copy the whole model folder")
