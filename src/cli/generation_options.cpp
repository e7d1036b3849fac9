#include "cli/generation_options.h"

#include "cli/whole_number.h"

namespace cola {

void add_generation_options(CLI::App& verb, GenerateOptions& options) {
  verb.add_option("--max-new-tokens", options.max_new_tokens, "tokens at most")
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--temperature", options.temperature, "0: greedy; above: sampling")
      ->type_name("X")
      ->capture_default_str();
  verb.add_option("--top-p", options.top_p,
                  "sample from the most probable tokens that have this much together")
      ->type_name("X")
      ->capture_default_str();
  verb.add_option("--seed", options.seed, "seed of the sampling")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number());
  verb.add_option("--stop", options.stop, "end before this text (repeatable)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
}

}  // namespace cola
