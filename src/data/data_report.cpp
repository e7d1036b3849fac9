#include "data/data_report.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace cola {
namespace {

struct NamedCount {
  const char* name;
  std::int64_t DataReport::* count;
};

constexpr std::array counts{
    NamedCount{"records", &DataReport::records},
    NamedCount{"chats", &DataReport::chats},
    NamedCount{"without_answer", &DataReport::without_answer},
    NamedCount{"sequences", &DataReport::sequences},
    NamedCount{"windowed", &DataReport::windowed},
    NamedCount{"truncated", &DataReport::truncated},
    NamedCount{"skipped_long", &DataReport::skipped_long},
    NamedCount{"skipped_empty", &DataReport::skipped_empty},
    NamedCount{"merged_borders", &DataReport::merged_borders},
    NamedCount{"own_special_tokens", &DataReport::own_special},
    NamedCount{"weighted", &DataReport::weighted},
    NamedCount{"equal_answers", &DataReport::equal_answers},
    NamedCount{"shortened_prompts", &DataReport::shortened_prompts},
    NamedCount{"parsed_arguments", &DataReport::parsed_arguments},
    NamedCount{"tokens", &DataReport::tokens},
    NamedCount{"loss_tokens", &DataReport::loss_tokens},
};

/// "read as ShareGPT: 1000 conversations, 12 without an answer skipped; ".
std::string read_as(const DataReport& report) {
  std::string text;
  for (const auto& [form, count] : report.forms) {
    const bool is_chat = form == "ShareGPT" || form == "messages";
    text += fmt::format("{} {}: {} {}", text.empty() ? "read as" : ", as", form, count,
                        is_chat ? "conversations" : "records");
  }
  if (text.empty() && report.records == 0) return text;  // of a set that was split off another
  if (text.empty()) text = fmt::format("{} records", report.records);
  if (report.without_answer > 0) text += fmt::format(", {} without an answer skipped", report.without_answer);
  return text + "; ";
}

}  // namespace

std::string DataReport::summary() const {
  std::string line = fmt::format("{}{} {}, {} tokens, {} trained", read_as(*this), sequences,
                                 of_pairs ? "pairs" : "sequences", tokens, loss_tokens);
  const std::pair<std::int64_t, const char*> remarks[] = {
      {windowed, "texts cut into windows"},
      {truncated, "prompts cut from the left"},
      {skipped_long, "skipped: completion longer than --max-length"},
      {skipped_empty, "sequences skipped: no trained token"},
      {merged_borders, "borders inside a token, which is trained whole"},
      {equal_answers, "pairs skipped: equal answers"},
      {shortened_prompts, "prompts end in a token that an answer changes, which is trained with it"},
      {own_special, "with a BOS or EOS of their own: none added"},
      {parsed_arguments, "with tool calls' arguments as JSON text, which the template is given as objects"},
      {weighted, "sequences weighted: the loss is the sum of weight times loss over trained tokens"},
  };
  for (const auto& [count, what] : remarks) {
    if (count > 0) line += fmt::format("; {} {}", count, what);
  }
  for (const auto& [what, found] : chat_remarks)
    line += fmt::format("; {} times: {}", found.first, found.second);
  return line + (from_cache ? "; from the token cache" : "");
}

void DataReport::add(const DataReport& other) {
  from_cache = (records == 0 || from_cache) && other.from_cache;
  of_pairs = of_pairs || other.of_pairs;
  for (const auto& [name, count] : counts) this->*count += other.*count;
  for (const auto& [form, count] : other.forms) forms[form] += count;
  for (const auto& [what, found] : other.chat_remarks) {
    auto& [count, first] = chat_remarks[what];
    if (count == 0) first = found.second;
    count += found.first;
  }
}

Json json_of(const DataReport& report) {
  Json json;
  for (const auto& [name, count] : counts) json[name] = report.*count;
  json["forms"] = report.forms;
  json["chat_remarks"] = Json::object();
  for (const auto& [what, found] : report.chat_remarks)
    json["chat_remarks"][what] = {{"count", found.first}, {"first", found.second}};
  return json;
}

DataReport data_report_of(const Json& json, const std::string& where) {
  const JsonReader reader(json, where);
  DataReport report;
  for (const auto& [name, count] : counts) report.*count = reader.integer(name);
  const JsonReader forms(reader.at("forms"), where);
  for (const auto& [form, count] : forms.object().items()) report.forms[form] = forms.integer(form);
  const JsonReader remarks(reader.at("chat_remarks"), where);
  for (const auto& [what, found] : remarks.object().items()) {
    const JsonReader remark(found, where);
    report.chat_remarks[what] = {remark.integer("count"), remark.string("first")};
  }
  return report;
}

}  // namespace cola
