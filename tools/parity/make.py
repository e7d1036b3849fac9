#!/usr/bin/env python3
"""Writes a parity fixture: a tiny random model of a family, and what the installed transformers and PEFT compute with it.

    python tools/parity/make.py FAMILY [--output DIR] [--seed 1] [--set KEY=JSON ...]

A new family needs an entry in FAMILIES: configuration keys, with sizes that are odd on purpose. --set changes single keys:
--set sliding_window=null. The folder has the files that tests/files/parity/README.md describes, and versions.json. All is
computed in float32 on one thread with eager attention; the same versions and seed give the same files.
CONTRIBUTING.md says how cola's tests are run on the folder. Written with transformers 5.24.0 and PEFT 0.21.2.
"""
import argparse
import json
import tempfile
import warnings
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Module, functional
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

Config = dict[str, Any]
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Family:
    """A model to make: keys of its configuration beside COMMON, what config.old.json says otherwise, LoRA's targets."""
    config: Config
    old: Config = field(default_factory=dict)
    target_modules: str = "all-linear"


COMMON: Config = {"vocab_size": 253, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def sizes(hidden: int, intermediate: int, layers: int, heads: int, key_value_heads: int, **more: Any) -> Config:
    return {"hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": key_value_heads, **more}


SLIDE_SLIDE_FULL = ["sliding_attention", "sliding_attention", "full_attention"]
GEMMA3_ROPE = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
               "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
GEMMA3_TEXT = sizes(36, 52, 4, 6, 2, head_dim=10, query_pre_attn_scalar=14, sliding_window=8, rope_parameters=GEMMA3_ROPE,
                    layer_types=[*SLIDE_SLIDE_FULL, "sliding_attention"])
FAMILIES: dict[str, Family] = {
    "llama": Family(sizes(42, 58, 2, 6, 2, head_dim=14, tie_word_embeddings=True, rope_parameters={
        "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32, "rope_theta": 1e4})),
    "mistral": Family(sizes(38, 54, 3, 6, 3, head_dim=10, sliding_window=8)),
    "qwen2": Family(sizes(42, 50, 3, 7, 1, use_sliding_window=True, sliding_window=8, max_window_layers=1)),
    "qwen3": Family(sizes(38, 62, 2, 6, 2, head_dim=14, tie_word_embeddings=True), old={"sliding_window": 4096}),
    "smollm3": Family(sizes(30, 46, 4, 5, 1, no_rope_layers=[1, 1, 0, 1])),
    "gemma2": Family(sizes(40, 54, 3, 5, 1, head_dim=12, query_pre_attn_scalar=10, sliding_window=8,
                           attn_logit_softcapping=5.0, final_logit_softcapping=8.0),
                     old={"hidden_act": "gelu_pytorch_tanh"}),
    "gemma3_text": Family(GEMMA3_TEXT, old={"sliding_window_pattern": 3}),
    "gemma3": Family(
        {"text_config": {**COMMON, **GEMMA3_TEXT},
         "vision_config": {"hidden_size": 18, "intermediate_size": 26, "num_hidden_layers": 1, "num_attention_heads": 3,
                           "image_size": 28, "patch_size": 14},
         "mm_tokens_per_image": 4, "boi_token_index": 250, "eoi_token_index": 251, "image_token_index": 252},
        old={"sliding_window_pattern": 3},
        target_modules=r".*language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"),
    "phi3": Family(sizes(48, 66, 2, 3, 3, max_position_embeddings=192, original_max_position_embeddings=24,
                         pad_token_id=2, sliding_window=9, rope_parameters={
                             "rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75,
                             "short_factor": [1.0, 1.1, 1.3, 1.6, 1.9, 2.3], "long_factor": [1.2, 1.9, 3.1, 5.5, 9.0, 14.0]})),
    "granite": Family(sizes(40, 60, 3, 5, 1, attention_bias=True, mlp_bias=True, attention_multiplier=0.15,
                            embedding_multiplier=6.0, residual_multiplier=0.6, logits_scaling=2.0)),
    "olmo2": Family(sizes(36, 54, 3, 6, 2, attention_bias=True)),
}
LENGTHS, PROMPTS = (37, 23, 11), (6, 4, 2)  # tokens of the rows, and how many of them carry no loss
STEPS, KNOT = 10, 5
LEARNING_RATES = {"adamw": 1e-3, "sgd": 1e-2}


class Numbers:
    """Random numbers of one purpose."""

    def __init__(self, seed: int, purpose: int) -> None:
        self.generator = torch.Generator().manual_seed(1000 * purpose + seed)

    def normal(self, like: Tensor, deviation: float) -> Tensor:
        return torch.randn(like.shape, generator=self.generator) * deviation

    def ids(self, count: int, end: int) -> Tensor:
        return torch.randint(3, end, (count,), generator=self.generator)


def write_model(folder: Path, config: PretrainedConfig, numbers: Numbers) -> None:
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for name, weight in sorted(model.named_parameters()):
        if name.endswith("bias"):
            weight.data = numbers.normal(weight, 0.1)
        elif weight.dim() == 1:  # a norm's: around what it is when fresh, 1 or (Gemma) 0
            weight.data = weight.data + numbers.normal(weight, 0.2)
        else:
            weight.data = numbers.normal(weight, 0.2 if "embed" in name else 0.125)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def read_model(folder: Path) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")


def old_form(config: Config, defaults: PretrainedConfig, changes: Config) -> Config:
    """config.json in the keys of transformers 4."""
    old = {key: value for key, value in config.items()
           if key not in ("dtype", "rope_parameters", "layer_types", "_sliding_window_pattern")}
    old["transformers_version"] = "4.51.3"
    if "dtype" in config:
        old["torch_dtype"] = config["dtype"]
    if config.get("tie_word_embeddings") == defaults.tie_word_embeddings:
        old.pop("tie_word_embeddings", None)
    if "text_config" in config:
        return {**old, "text_config": old_form(config["text_config"], defaults.text_config, changes)}
    scaling = config["rope_parameters"]
    if "full_attention" in scaling:
        old["rope_local_base_freq"] = scaling["sliding_attention"]["rope_theta"]
        scaling = scaling["full_attention"]
    scaling = dict(scaling)
    old["rope_theta"] = scaling.pop("rope_theta")
    if "partial_rotary_factor" in scaling:
        old["partial_rotary_factor"] = scaling.pop("partial_rotary_factor")
    if "original_max_position_embeddings" in config:
        scaling.pop("original_max_position_embeddings", None)
    if scaling["rope_type"] == "longrope":  # the key that Phi-3 has
        scaling["type"] = scaling.pop("rope_type")
    old["rope_scaling"] = None if scaling.get("rope_type") == "default" else scaling
    return dict(sorted({**old, **changes}.items()))


def write_old_config(folder: Path, family: Family, defaults: PretrainedConfig, inputs: Tensors) -> bool:
    """False, and no file, where the old keys give another model."""
    old = old_form(json.loads((folder / "config.json").read_text()), defaults, family.old)
    with tempfile.TemporaryDirectory() as scratch:
        write_json(Path(scratch) / "config.json", old)
        (Path(scratch) / "model.safetensors").symlink_to((folder / "model.safetensors").resolve())
        same = torch.equal(logits(read_model(Path(scratch)), inputs), logits(read_model(folder), inputs))
    if same:
        write_json(folder / "config.old.json", old)
    return same


def make_inputs(vocabulary: int, pad: int | None, numbers: Numbers) -> Tensors:
    """Rows padded on the right, by 0 where there is no padding token; within each it stands as a token like others."""
    padding = 0 if pad is None else pad
    ids = torch.full((len(LENGTHS), max(LENGTHS)), padding)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (length, prompt) in enumerate(zip(LENGTHS, PROMPTS, strict=True)):
        ids[row, :length] = numbers.ids(length, vocabulary - 3)  # the last are Gemma 3's for images
        ids[row, 0], ids[row, length // 2] = 1, padding
        mask[row, :length] = 1
        labels[row, prompt:length] = ids[row, prompt:length]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def logits(model: Module, inputs: Tensors) -> Tensor:
    with torch.no_grad():
        return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits


def forward(model: Module, inputs: Tensors) -> tuple[Tensor, Tensors]:
    """The mean loss over the counted labels, and what the fixture has of the computation."""
    output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], output_hidden_states=True)
    targets = inputs["labels"][:, 1:]
    nll = functional.cross_entropy(output.logits[:, :-1].float().flatten(0, 1), targets.flatten(), reduction="none")
    loss = nll.sum() / (targets != -100).sum()
    computed = {"logits": output.logits, "loss": loss[None], "token_nll": nll.view_as(targets)}
    computed |= {f"hidden_states.{i}": state for i, state in enumerate(output.hidden_states)}
    return loss, {name: tensor.detach().contiguous().clone() for name, tensor in computed.items()}


def file_names(folder: Path, model: PreTrainedModel) -> dict[str, str]:
    """Names in model.safetensors by those of the model, which for gemma3 are others: the tensor with the same values."""
    stored = load_file(folder / "model.safetensors")
    return {name: next(key for key, tensor in stored.items() if torch.equal(tensor, weight))
            for name, weight in model.named_parameters()}


def adapter_weights(model: PeftModel) -> Tensors:
    """A and B of every module by their names in adapter_model.safetensors."""
    return {name.replace(".default", ""): weight for name, weight in sorted(model.named_parameters()) if ".lora_" in name}


def write_adapter(folder: Path, base: Path, target_modules: str, numbers: Numbers, zero_b: bool) -> None:
    config = LoraConfig(r=4, lora_alpha=8, target_modules=target_modules, task_type="CAUSAL_LM")
    model = get_peft_model(read_model(base), config)
    for name, weight in adapter_weights(model).items():
        weight.data = torch.zeros_like(weight) if zero_b and ".lora_B." in name else numbers.normal(weight, 0.1)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    saved = json.loads((folder / "adapter_config.json").read_text())
    saved["base_model_name_or_path"] = ".."
    if isinstance(saved["target_modules"], list):
        saved["target_modules"].sort()  # written from a set
    write_json(folder / "adapter_config.json", saved)


def read_adapter(folder: Path) -> PeftModel:
    return PeftModel.from_pretrained(read_model(folder), folder / "adapter", is_trainable=True)


def gradients(loss: Tensor, weights: Tensors) -> Tensors:
    loss.backward()
    return {"grad." + name: weight.grad for name, weight in weights.items() if weight.grad is not None}


def tie(model: PeftModel, next_link: Tensors) -> None:
    """Adds scale B A to the base weights and goes on with another A and B."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.base_layer.weight.data += module.get_delta_weight("default")
    for name, weight in adapter_weights(model).items():
        weight.data = next_link[name].clone()


def run(folder: Path, inputs: Tensors, optimizer: str, mode: str) -> tuple[dict[str, Any], Tensors]:
    """Steps on the same batch: what trajectories.json has of them, and the tensors of traj_*.safetensors."""
    model: Module = read_model(folder) if mode == "full" else read_adapter(folder)
    weights = dict(model.named_parameters()) if mode == "full" else adapter_weights(model)
    second = load_file(folder / "adapter2" / "adapter_model.safetensors")
    rate = LEARNING_RATES[optimizer]

    def fresh() -> torch.optim.Optimizer:
        if optimizer == "sgd":
            return torch.optim.SGD(weights.values(), lr=rate)
        return torch.optim.AdamW(weights.values(), lr=rate, weight_decay=0.0)

    def loss_now() -> float:
        return forward(model, inputs)[0].item()

    record: dict[str, Any] = {"optimizer": optimizer, "lr": rate, "losses": []}
    update = fresh()
    for step in range(STEPS):
        if mode == "cola" and step == KNOT:
            record["knot"] = {"after_step": KNOT, "loss_before_merge": loss_now()}
            tie(model, second)
            record["knot"]["loss_after_merge"] = loss_now()
            update = fresh()
        update.zero_grad()
        loss, _ = forward(model, inputs)
        record["losses"].append(loss.item())
        loss.backward()
        update.step()
    record["final_loss"] = loss_now()
    tensors = {"losses": torch.tensor([*record["losses"], record["final_loss"]])}
    if mode != "full":
        tensors |= {"adapter." + name: weight.detach().clone() for name, weight in weights.items()}
        tie(model, {name: torch.zeros_like(weight) for name, weight in weights.items()})
        record["final_loss_merged"] = loss_now()
        tensors["logits"] = logits(model, inputs)
    return record, tensors


def write_trajectories(folder: Path, inputs: Tensors) -> None:
    records = {}
    for optimizer, mode in (("adamw", "lora"), ("adamw", "cola"), ("sgd", "lora"), ("sgd", "cola"), ("adamw", "full")):
        name = f"{optimizer}_{mode}"
        records[name], tensors = run(folder, inputs, optimizer, mode)
        merged = tensors.pop("logits", None)
        if mode != "full":
            save_file(tensors, folder / f"traj_{name}.safetensors")
        if name == "adamw_cola":
            save_file({"logits.adamw_cola": merged}, folder / "merged_expected.safetensors")
    write_json(folder / "trajectories.json", records)


def write_fixture(folder: Path, name: str, seed: int, settings: Config) -> bool:
    """Whether the old keys can say the configuration."""
    family = FAMILIES[name]
    common = {} if "text_config" in family.config else COMMON
    config = AutoConfig.for_model(name, **{**common, **family.config, **settings})
    text = config.get_text_config()
    write_model(folder, config, Numbers(seed, 0))
    inputs = make_inputs(text.vocab_size, text.pad_token_id, Numbers(seed, 1))
    save_file(inputs, folder / "inputs.safetensors")
    write_adapter(folder / "adapter", folder, family.target_modules, Numbers(seed, 2), zero_b=False)
    write_adapter(folder / "adapter2", folder, family.target_modules, Numbers(seed, 3), zero_b=True)

    model = read_model(folder)
    names = file_names(folder, model)
    loss, computed = forward(model, inputs)
    save_file(computed, folder / "base_expected.safetensors")
    weights = {names[parameter]: weight for parameter, weight in model.named_parameters()}
    save_file({"loss": computed["loss"], **gradients(loss, weights)}, folder / "full_expected.safetensors")

    with_adapter = read_adapter(folder)
    loss, computed = forward(with_adapter, inputs)
    computed = {key: tensor for key, tensor in computed.items() if not key.startswith("hidden_states")}
    save_file(computed | gradients(loss, adapter_weights(with_adapter)), folder / "lora_expected.safetensors")
    write_trajectories(folder, inputs)
    write_json(folder / "versions.json", {
        "family": name, "seed": seed, "set": settings,
        **{package: version(package) for package in ("torch", "transformers", "peft", "safetensors")}})
    return write_old_config(folder, family, AutoConfig.for_model(name), inputs)


def setting(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    return key, json.loads(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES, metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to create (default: ./FAMILY)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=JSON", help="another value of a key")
    arguments = parser.parse_args()
    folder = arguments.output or Path(arguments.family)
    if folder.exists():
        parser.error(f"{folder}: exists already")
    folder.parent.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", FutureWarning)  # the packages' own
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        with_old = write_fixture(made, arguments.family, arguments.seed, dict(arguments.set))
        made.rename(folder)
    print(f"{folder}: written{'' if with_old else ', without config.old.json: its keys cannot say this configuration'}")


if __name__ == "__main__":
    main()
