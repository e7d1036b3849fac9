// What a wrong call gets: one or two lines on standard error and an exit status, nothing on standard output.
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.h"

namespace cola {
namespace {

using test::run_program;

struct WrongCall {
  const char* arguments;
  int status;
  const char* message;  ///< a part of it
};

void PrintTo(const WrongCall& call, std::ostream* stream) { *stream << "cola " << call.arguments; }

class Refused : public testing::TestWithParam<WrongCall> {};

TEST_P(Refused, SaysWhy) {
  const auto [arguments, status, message] = GetParam();
  const auto result = run_program(arguments);
  EXPECT_EQ(result.status, status);
  EXPECT_EQ(result.output, "");
  EXPECT_TRUE(result.error.starts_with("cola: error: ")) << result.error;
  EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
  EXPECT_LE(std::ranges::count(result.error, '\n'), 2) << result.error;
}

INSTANTIATE_TEST_SUITE_P(
    Options, Refused,
    testing::Values(
        WrongCall{"", 2, "no command given\nsee cola --help"}, WrongCall{"frobnicate", 2, "frobnicate"},
        WrongCall{"train --learnin-rate 1", 2, "see cola train --help"},
        WrongCall{"train --epochs many", 2, "--epochs"}, WrongCall{"train --epochs 1.5", 2, "--epochs"},
        WrongCall{"train --seed -1", 2, "--seed: -1 must be 0 or more"},
        WrongCall{"train --seed 18446744073709551616", 2, "must be below 2^64"},
        WrongCall{"train --model m --train t --out o --threads 100000", 2, "--threads is 100000"},
        WrongCall{"eval --model m --data d --threads 100000", 2, "--threads is 100000"},
        WrongCall{"eval --model m --data d --max-length 0", 2, "--max-length: Value 0 not in range"},
        WrongCall{"train --epochs 1 --epochs 2", 2, "--epochs"},
        WrongCall{"train --model m --train t --out o --lora-r 0", 2, "--lora-r"},
        WrongCall{"train --resume", 2, "--out"},
        WrongCall{"train --resume --out /nowhere/run", 2, "no run to resume"},
        WrongCall{"train --resume --config c --out o", 2, "--config"},
        WrongCall{"eval", 2, "give one of --data FILE"},
        WrongCall{"eval --task cb --model m --data d", 2, "give one of"},
        WrongCall{"eval --data d", 2, "--model"},
        WrongCall{"eval --model m --data d --device gpu", 2, "--device"},
        WrongCall{"eval --model m --data d --device cpu --offload-base", 2, "--offload-base keeps weights"},
        WrongCall{"generate --model m --prompt p --device cpu --offload-base", 2, "computes in the host's"},
        WrongCall{"bench step --shape opt-125m --device cpu --offload-base", 2, "--offload-base keeps"},
        WrongCall{"train --model m --train t --out o --offload-base --method full", 2, "--offload-base"},
        WrongCall{"eval --model m --data d --state best", 2, "belong to --run"},
        WrongCall{"eval --run r --adapter a --data d", 2, "exclude"},
        WrongCall{"generate --model m", 2, "no prompt"},
        WrongCall{"generate --model m --prompt p --prompt-file f", 2, "--prompt"},
        WrongCall{"generate --model m --prompt p --seed -1", 2, "--seed"},
        WrongCall{"inspect", 2, "nothing to inspect"}, WrongCall{"report", 2, "inputs is required"},
        WrongCall{"report /nowhere/run", 2, "/nowhere/run: no such folder"},
        WrongCall{"init --shape opt-1t --out o", 2, "unknown shape 'opt-1t'"},
        WrongCall{"init --shape opt-125m --out o --dtype f8", 2, "--dtype"}));

INSTANTIATE_TEST_SUITE_P(
    Files, Refused,
    testing::Values(WrongCall{"eval --model /nowhere/model --data d", 1, "/nowhere/model"},
                    WrongCall{"eval --run /nowhere/run --data d", 1, "/nowhere/run"},
                    WrongCall{"train --model /nowhere/model --train /nowhere/t --out o", 1, "/nowhere/model"},
                    WrongCall{"inspect --adapter /nowhere/adapter", 1, "/nowhere/adapter"}));

TEST(Usage, HelpAndVersionAreNoErrors) {
  EXPECT_EQ(run_program("--version").status, 0);
  EXPECT_TRUE(run_program("--version").output.starts_with("cola "));
  EXPECT_EQ(run_program("--help").status, 0);
  for (const char* verb : {"train", "eval", "generate", "inspect", "init"}) {
    const auto result = run_program(std::string(verb) + " --help");
    EXPECT_EQ(result.status, 0) << verb;
    EXPECT_NE(result.output.find("--json"), std::string::npos) << verb;
    EXPECT_EQ(result.error, "") << verb;
  }
}

}  // namespace
}  // namespace cola
