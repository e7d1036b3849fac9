// Every character of Unicode 14 against Python (tools/parity/metrics.py).
#include "text/characters.h"

#include <gtest/gtest.h>

#include <functional>

#include "io/json.h"
#include "support/files.h"
#include "text/letter_case.h"
#include "text/utf8.h"

namespace cola {
namespace {

class Characters : public testing::Test {
 protected:
  using Predicate = std::function<bool(char32_t)>;

  /// Whether `holds` is true of the fixture's characters `name`, and of no other that Unicode 14 has.
  void expect_exactly(const char* name, const Predicate& holds) const {
    std::vector<bool> expected(0x110000);
    for (const Json& range : python_.at(name)) {
      for (auto c = range[0].get<std::size_t>(); c <= range[1].get<std::size_t>(); ++c) expected[c] = true;
    }
    for_each_assigned([&](char32_t c) {
      EXPECT_EQ(holds(c), expected[c]) << name << ": U+" << std::hex << static_cast<std::uint32_t>(c);
    });
  }

  void expect_mapping(const char* name, std::string (*map)(std::string_view)) const {
    for_each_assigned([&](char32_t c) {
      const auto changed = python_.at(name).find(std::to_string(static_cast<std::uint32_t>(c)));
      const std::string expected = changed == python_.at(name).end() ? text(c) : changed->get<std::string>();
      EXPECT_EQ(map(text(c)), expected) << name << ": U+" << std::hex << static_cast<std::uint32_t>(c);
    });
  }

  static std::string text(char32_t c) {
    std::string result;
    append_utf8(result, c);
    return result;
  }

 private:
  void for_each_assigned(const std::function<void(char32_t)>& visit) const {
    for (const Json& range : python_.at("assigned")) {
      for (auto c = range[0].get<std::uint32_t>(); c <= range[1].get<std::uint32_t>(); ++c)
        visit(static_cast<char32_t>(c));
    }
  }

  Json python_ = read_json_file(test::test_files() / "metrics" / "characters.json");
};

TEST_F(Characters, HavePythonsCase) {
  expect_mapping("lower", lower_case);
  expect_mapping("upper", upper_case);
}

TEST_F(Characters, MakeASigmaFinalAsInPython) {
  const auto final_behind = [](const std::string& before) { return lower_case(before + "Σ").ends_with("ς"); };
  const auto not_final_before = [](const std::string& after) {
    return lower_case("aΣ" + after).starts_with("aσ");
  };
  expect_exactly("sigma_is_final_behind", [&](char32_t c) { return final_behind(text(c)); });
  expect_exactly("sigma_is_final_behind_letter_and", [&](char32_t c) { return final_behind("a" + text(c)); });
  expect_exactly("sigma_is_not_final_before", [&](char32_t c) { return not_final_before(text(c)); });
  expect_exactly("sigma_is_not_final_before_letter_and",
                 [&](char32_t c) { return not_final_before(text(c) + "a"); });
}

TEST_F(Characters, AreOfWordsAndWhiteSpaceAndDigitsAsInPython) {
  expect_exactly("word", is_word_character);
  expect_exactly("whitespace", is_whitespace);
  expect_exactly("decimal", [](char32_t c) { return decimal_digit_value(c) >= 0; });
  EXPECT_EQ(decimal_digit_value(U'٣'), 3);
}

}  // namespace
}  // namespace cola
