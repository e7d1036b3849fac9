#pragma once
#include "cola/train.h"

namespace cola {

/// Calls visit(name, field, help) for the options of RecordFields, const or not.
template <class Fields, class Visit>
void for_each_record_field(Fields& fields, const Visit& visit) {
  visit("prompt-field", fields.prompt, "field of a record that is the prompt");
  visit("completion-field", fields.completion, "field that is the completion");
  visit("text-field", fields.text, "field that is trained whole, as text");
  visit("messages-field", fields.messages, "field that is a chat: a list of messages");
  visit("prompt-template", fields.prompt_template,
        "text of the prompt, in which {field} is a field of the record, and {{ and }} are braces");
}

/// The same of PreferenceOptions.
template <class Options, class Visit>
void for_each_preference_option(Options& options, const Visit& visit) {
  visit("objective", options.objective,
        "dpo, orpo or simpo: data are pairs of a chosen and a rejected answer");
  visit("beta", options.beta, "how far the answers are to come apart (default 0.1; simpo 2)");
  visit("dpo-loss", options.dpo_loss, "with dpo: sigmoid (default), hinge, ipo, robust or sigmoid_norm");
  visit("label-smoothing", options.label_smoothing,
        "with --dpo-loss robust: part of the pairs that is the wrong way");
  visit("sft-weight", options.sft_weight,
        "of the chosen answers' own loss, added to that of dpo or simpo (default 0)");
  visit("simpo-gamma", options.simpo_gamma, "margin that simpo asks for (default 0.5)");
  visit("reference", options.reference,
        "with dpo: base (default: the model without any link), or start: as the run began");
}

/// Calls visit(name, field, help) for every option, in the order of the documentation: the one list that the
/// command line, config.toml and the comparison on --resume are made from. `Options` is TrainOptions, const
/// or not.
template <class Options, class Visit>
void for_each_train_option(Options& options, const Visit& visit) {
  visit("model", options.model, "Hugging Face model folder, or GGUF file");
  visit("train", options.train,
        "training data: JSONL, JSON, CSV or TSV, also in gzip or zstd (repeatable; FILE:WEIGHT: mixed by "
        "weight)");
  visit("dev", options.dev, "dev data, likewise");
  visit("dev-fraction", options.dev_fraction, "part of the training data held out as dev set");
  visit("task", options.task, "task to train on: sst2 ... drop, or a TOML file of your own");
  visit("task-data", options.task_data, "folder of the task's files");
  visit("num-train", options.num_train, "examples of the task to train on (default: the paper's number)");
  visit("num-dev", options.num_dev, "examples of the task held out as dev set (default: the paper's number)");
  visit("bos-token-id", options.bos_token_id,
        "token before a task's texts (default: the tokenizer's own; the paper's OPT: 0)");
  visit("no-share-prefix", options.no_share_prefix, "run every candidate of a question whole");
  for_each_preference_option(options.preference, visit);
  visit("out", options.out, "run folder to create");
  visit("method", options.method, "cola, lora or full");
  visit("links", options.links, "number of links (default 2 with cola)");
  visit("knots", options.knots,
        "where links are tied: epochs (3ep), optimizer steps (120,240), or auto: where the loss stalls");
  visit("max-links", options.max_links, "most links with --knots auto (default 4)");
  visit("min-link-steps", options.min_link_steps, "shortest link with --knots auto (default an epoch)");
  visit("stall-threshold", options.stall_threshold,
        "with --knots auto a link is tied when the mean loss of half a shortest link falls by less than this "
        "part (default 0.01)");
  visit("lora-r", options.lora_r, "rank of every link (default 8)");
  visit("lora-alpha", options.lora_alpha, "alpha of every link (default 16); the scale is alpha / r");
  visit("ranks", options.ranks, "ranks, one per link");
  visit("alphas", options.alphas, "alphas, one per link");
  visit("target-modules", options.target_modules,
        "names of linear layers, all-linear, or a pattern (default: the family's)");
  visit("tie", options.tie, "merge, stack, or auto: merge for f32 weights, stack for 16-bit ones");
  visit("link-init", options.link_init, "A of a new link: fresh, or the same draw again");
  visit("lr-at-knot", options.lr_at_knot, "the learning-rate schedule at a knot: continue or restart");
  visit("freeze-a", options.freeze_a, "train B only (RAC-LoRA)");
  visit("use-rslora", options.use_rslora, "scale alpha / sqrt(r) in place of alpha / r");
  visit("loraplus-lr-ratio", options.loraplus_lr_ratio, "LoRA+: B's learning rate over A's");
  visit("bias", options.bias, "none, or lora_only: train the target modules' own biases");
  visit("initial-link", options.initial_link, "PEFT adapter that link 1, 2, ... starts from (repeatable)");
  visit("tied-link", options.tied_link, "PEFT adapter tied before step 1 (repeatable)");
  visit("extend", options.extend, "finished run whose chain is tied before step 1");
  visit("learning-rate", options.learning_rate, "peak learning rate (default 1e-4; full 1e-5)");
  visit("lr-scheduler", options.lr_scheduler, "linear, cosine or constant, each after the warm-up");
  visit("warmup-steps", options.warmup_steps,
        "steps of linear warm-up from 0; of constant too, as constant_with_warmup of transformers");
  visit("optimizer", options.optimizer, "adamw, sgd or adagrad");
  visit("weight-decay", options.weight_decay, "weight decay, of matrices alone unless --decay-norms");
  visit("decay-norms", options.decay_norms,
        "weight decay on norms and biases too (default: none, as Trainer)");
  visit("momentum", options.momentum, "momentum of sgd");
  visit("max-grad-norm", options.max_grad_norm, "gradient clipping; 0: none");
  visit("epochs", options.epochs, "passes over the data");
  visit("max-steps", options.max_steps, "optimizer steps, overriding epochs");
  visit("batch-size", options.batch_size, "sequences in a batch");
  visit("gradient-accumulation-steps", options.gradient_accumulation_steps, "batches in an optimizer step");
  visit("micro-batch-size", options.micro_batch_size,
        "sequences computed at a time: the same batches in less memory (default: whole batches; on the CPU "
        "with quantised weights, at most 512 tokens)");
  visit("activation-checkpointing", options.activation_checkpointing,
        "less memory: keep each block's input only and recompute the block in the backward");
  visit("no-shuffle", options.no_shuffle, "keep the order of the data");
  for_each_record_field(options.fields, visit);
  visit("max-length", options.max_length,
        "longest sequence in tokens (default: the model's positions, at most 2048)");
  visit("train-on-prompt", options.train_on_prompt, "loss on prompts too");
  visit("no-eos", options.no_eos, "leave out the EOS after a text, completion or assistant turn");
  visit("chat-template", options.chat_template,
        "chat template: a file in Jinja, the name of one of the model's, or llama2, llama3, chatml or plain "
        "(default: the model's own)");
  visit("chat-template-kwargs", options.chat_template_kwargs,
        R"(variables for the chat template, a JSON object: {"enable_thinking": false})");
  visit("chat-template-date", options.chat_template_date,
        "date that the chat template may write, as 2026-03-09T14:05:06 (default: when the run starts)");
  visit("dropout", options.dropout, "hidden dropout: a probability, or config for the checkpoint's own");
  visit("lora-dropout", options.lora_dropout, "dropout on the input of the low-rank branches");
  visit("seed", options.seed, "seed of initialisation, dropout and shuffling");
  visit("data-seed", options.data_seed, "seed of the dev split alone (default: the seed)");
  visit("eval-steps", options.eval_steps, "steps between dev evaluations (default: each epoch)");
  visit("early-stopping-patience", options.early_stopping_patience,
        "stop after this many evaluations without gain");
  visit("save-steps", options.save_steps,
        "steps between checkpoints (default: each epoch; always before a knot)");
  visit("save-total-limit", options.save_total_limit, "checkpoints kept");
  visit("tensorboard", options.tensorboard, "event files for TensorBoard in OUT/tensorboard");
  visit("dtype", options.dtype, "f32, bf16, or auto");
  visit("save-dtype", options.save_dtype,
        "of full's best/ and last/: f32, bf16, f16, or auto: as in the model's file");
  visit("device", options.device, "cpu, cuda, cuda:N, or auto: cuda where there is one");
  visit("base-dtype", options.base_dtype,
        "quantised weights of a GGUF file: keep, or bf16 or f32, to which they are expanded");
  visit("quantize-base", options.quantize_base,
        "q8_0, q4_0 or q4_k: frozen matrices become quantised when they are loaded");
  visit(
      "offload-base", options.offload_base,
      "on a GPU: keep the frozen weights of the blocks in the host's memory, and bring them block by block");
  visit("threads", options.threads, "threads; 0: all cores");
  visit("tokenizer", options.tokenizer, "folder of the tokenizer (default: the model's)");
}

}  // namespace cola
