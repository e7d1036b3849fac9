#include "lora/link.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace cola {
namespace {

Link link_of(const std::vector<std::string>& names, std::int64_t rank, double scale, std::uint64_t seed) {
  Link link;
  std::uint64_t stream = 0;
  for (const auto& name : names) {
    LoraModule module{name, Matrix(DType::f32, rank, 7), Matrix(DType::f32, 5, rank),
                      scale * static_cast<double>(rank), scale};
    for (Matrix* matrix : {&module.a, &module.b}) {
      RandomStream random(seed, RandomPurpose::benchmark, stream++);
      for (float& value : matrix->floats()) value = random.next_normal();
    }
    link.modules.push_back(std::move(module));
  }
  link.target_modules = names;
  return link;
}

/// scale B A in double, zero where the link has no such module.
std::vector<double> delta_of(const Link& link, const std::string& name) {
  std::vector<double> delta(5 * 7);
  for (const auto& module : link.modules) {
    if (module.name != name) continue;
    const auto rank = static_cast<std::size_t>(module.rank());
    for (std::size_t i = 0; i < delta.size(); ++i) {
      for (std::size_t k = 0; k < rank; ++k) {
        delta[i] += module.scale * static_cast<double>(module.b.floats()[i / 7 * rank + k]) *
                    static_cast<double>(module.a.floats()[k * 7 + i % 7]);
      }
    }
  }
  return delta;
}

// A is copied and s B rounded once to f32: 6e-8 of terms of up to about 50 that are summed over rank 6.
TEST(Links, ConcatenatedAreTheirSum) {
  const Link first = link_of({"q", "v"}, 2, 2.0, 1);
  const Link second = link_of({"v", "k"}, 3, 0.3, 2);
  const Link third = link_of({"q", "v"}, 1, 7.0, 3);
  const std::vector<const Link*> parts{&first, &second, &third};
  const Link whole = concatenate(parts);
  ASSERT_EQ(whole.modules.size(), 3U);
  for (const auto& module : whole.modules) {
    EXPECT_EQ(module.scale, 1.0);
    EXPECT_EQ(module.alpha, static_cast<double>(module.rank()));
    const auto actual = delta_of(whole, module.name);
    std::vector<double> expected(actual.size());
    for (const Link* part : parts) {
      const auto delta = delta_of(*part, module.name);
      for (std::size_t i = 0; i < delta.size(); ++i) expected[i] += delta[i];
    }
    for (std::size_t i = 0; i < actual.size(); ++i)
      EXPECT_NEAR(actual[i], expected[i], 1e-5) << module.name << " " << i;
  }
  const auto rank_of = [&](const std::string& name) {
    return std::ranges::find(whole.modules, name, &LoraModule::name)->rank();
  };
  EXPECT_EQ(rank_of("q"), 3);
  EXPECT_EQ(rank_of("v"), 6);
  EXPECT_EQ(rank_of("k"), 3);
  EXPECT_EQ(whole.target_modules, (std::vector<std::string>{"q", "v", "k"}));
}

TEST(Links, ConcatenatedHaveTheLastBiases) {
  Link first = link_of({"q"}, 1, 1.0, 1);
  Link second = link_of({"q"}, 1, 1.0, 2);
  const Link third = link_of({"q"}, 1, 1.0, 3);
  first.biases.push_back({"q", Matrix(DType::f32, 1, 5)});
  second.biases.push_back({"q", Matrix(DType::f32, 1, 5)});
  second.biases[0].value.floats()[2] = 3.0F;
  const Link whole = concatenate(std::vector<const Link*>{&first, &second, &third});
  ASSERT_EQ(whole.biases.size(), 1U);
  EXPECT_EQ(whole.biases[0].value.floats()[2], 3.0F);
}

TEST(Links, DeltaNormIsFrobenius) {
  const Link link = link_of({"q", "v"}, 3, 0.5, 4);
  double squares = 0.0;
  for (const auto& module : link.modules) {
    for (const double value : delta_of(link, module.name)) squares += value * value;
  }
  ops::Context context;
  EXPECT_NEAR(link.delta_norm(context), std::sqrt(squares), 1e-5 * std::sqrt(squares));  // sums in f32
}

class FreshLink : public testing::Test {
 protected:
  static Link fresh(std::uint64_t seed, std::uint64_t draw) {
    Link link;
    for (const char* name : {"q", "v"}) {
      link.modules.push_back({name, Matrix(DType::f32, 16, 400), Matrix(DType::f32, 30, 16), 16.0, 1.0});
      std::ranges::fill(link.modules.back().b.floats(), 1.0F);
    }
    initialise_link(link, seed, draw);
    return link;
  }
  static std::vector<float> a_of(const Link& link, std::size_t module) {
    const auto values = link.modules[module].a.floats();
    return {values.begin(), values.end()};
  }
};

// PyTorch's kaiming_uniform(a = sqrt 5) over in = 400 inputs is U(-1/20, 1/20). With 6400 draws, the mean has
// a standard error of 0.0125 of the bound's 1/sqrt(3), the variance of 1.1 %; each quarter of the interval
// takes 1600 +- 35. Five standard errors.
TEST_F(FreshLink, AIsUniformWithinOneOverRootIn) {
  const auto values = a_of(fresh(42, 0), 0);
  constexpr double bound = 1.0 / 20.0;
  double sum = 0.0;
  double squares = 0.0;
  std::vector<int> quarters(4);
  for (const float value : values) {
    const auto x = static_cast<double>(value);
    ASSERT_LE(std::abs(x), bound + 1e-8);
    sum += x;
    squares += x * x;
    ++quarters[static_cast<std::size_t>(std::min(3.0, std::floor((x / bound + 1.0) * 2.0)))];
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0.0, 5.0 * 0.0125 * bound / std::sqrt(3.0));
  EXPECT_NEAR(squares / count, bound * bound / 3.0, 0.055 * bound * bound / 3.0);
  for (const int quarter : quarters) EXPECT_NEAR(quarter, 1600, 175);
}

TEST_F(FreshLink, BIsZero) {
  for (const auto& module : fresh(42, 0).modules) {
    EXPECT_TRUE(std::ranges::all_of(module.b.floats(), [](float value) { return value == 0.0F; }));
  }
}

TEST_F(FreshLink, DrawsDifferByModuleDrawAndSeedAlone) {
  const auto first = a_of(fresh(42, 0), 0);
  EXPECT_EQ(a_of(fresh(42, 0), 0), first);
  EXPECT_NE(a_of(fresh(42, 0), 1), first);
  EXPECT_NE(a_of(fresh(42, 1), 0), first);
  EXPECT_NE(a_of(fresh(43, 0), 0), first);
}

}  // namespace
}  // namespace cola
