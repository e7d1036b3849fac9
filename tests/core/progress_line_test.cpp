#include "core/progress_line.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

TEST(FitProgress, KeepsTheEtaInTheTerminalsWidth) {
  const std::string text = "step 120/1200  epoch 0.50  link 1  loss 3.1234  lr 1.00e-04  12345 tokens/s";
  EXPECT_EQ(fit_progress(text, "45 s", 200), text + "  ETA 45 s");
  EXPECT_EQ(fit_progress(text, "45 s", 79),
            "step 120/1200 epoch 0.50 link 1 loss 3.1234 lr 1.00e-04 12345 tokens/s ETA 45 s");
  EXPECT_EQ(fit_progress(text, "2 h 05 min", 79),
            "step 120/1200 epoch 0.50 link 1 loss 3.1234 lr 1.00e-04 12345 to ETA 2 h 05 min");
  for (std::size_t columns = 0; columns < 120; ++columns)
    EXPECT_LE(fit_progress(text, "12 min 20 s", columns).size(), columns);
}

}  // namespace
}  // namespace cola
