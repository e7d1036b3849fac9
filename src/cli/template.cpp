// cola template
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cli/output.h"
#include "cli/template_input.h"
#include "cli/verbs.h"
#include "data/record_chunks.h"
#include "io/json.h"

namespace cola {
namespace {

struct TemplateVerb {
  TemplateOptions input;
  std::string file = "-";
};

/// Positions in code points of positions in bytes that do not go back.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}
  std::size_t at(std::size_t byte) {
    for (; byte_ < byte; byte_ = jinja::next_code_point(text_, byte_)) ++count_;
    return count_;
  }

 private:
  std::string_view text_;
  std::size_t byte_ = 0, count_ = 0;
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> line_separators{
    {{"\u0085", "\\u0085"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}}};

/// One line for readers who take Unicode's line separators for line ends, too.
std::string line_of(const Json& json) {
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (const auto& [separator, escape] : line_separators) {
    for (std::size_t at = 0; (at = line.find(separator, at)) != std::string::npos; at += escape.size())
      line.replace(at, separator.size(), escape);
  }
  return line;
}

/// `result`'s line with the text as its "output", which is most of it.
std::string line_of(const Json& result, std::string_view output) {
  std::string line = R"({"output":")";
  line.reserve(output.size() + output.size() / 8 + 256);
  const auto is_special = [](unsigned char c) {
    return c < ' ' || c == '"' || c == '\\' || c == 0xC2 || c == 0xE2;  // those begin separators
  };
  for (std::size_t at = 0; at < output.size();) {
    std::size_t end = at;
    while (end < output.size() && !is_special(static_cast<unsigned char>(output[end]))) ++end;
    line.append(output, at, end - at);
    if (end == output.size()) break;
    const std::size_t next = jinja::next_code_point(output, end);
    const std::string escaped = line_of(Json(output.substr(end, next - end)));  // in quotes, on a line
    line.append(escaped, 1, escaped.size() - 3);
    at = next;
  }
  const std::string rest = line_of(result);
  return line + "\"," + rest.substr(1);
}

std::string answer(const ChatFormat& format, const ChatInput& input) {
  try {
    const TrainedChat chat = format.render(input);
    Json spans = Json::array();
    CodePoints points(chat.text);
    for (const ChatSpan& span : chat.spans) {
      const std::size_t begin = points.at(span.begin);
      spans.push_back({begin, points.at(span.end)});
    }
    Json result = {{"spans", spans}};
    for (const ChatRemark& remark : chat.remarks) result["remarks"].push_back(describe(remark));
    return line_of(result, chat.text);
  } catch (const jinja::Error& error) {
    return line_of(
        {{"error",
          {{"message", error.what()}, {"line", error.place().line}, {"column", error.place().column}}}});
  }
}

void run_template(const TemplateVerb& verb) {
  const ChatFormat format = open_template(verb.input);
  (void)read_in_chunks<std::string>(
      verb.file == "-" ? "/dev/stdin" : verb.file, {},
      [&](const PlacedRecord& record, std::string& answers) {
        answers += answer(format, parse_template_input(record.text, record.where));
      },
      [](std::string&, const std::string& answers) { print(answers); });
}

}  // namespace

void add_template(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("template", "conversations through a chat template");
  const auto state = std::make_shared<TemplateVerb>();
  add_template_options(verb, state->input);
  verb.add_option(
          "file", state->file,
          R"(JSONL: {"messages", "tools", "documents", "kwargs"} is answered by {"output", "spans"}: )"
          R"(the text, and in code points what carries loss; - is standard input)")
      ->type_name("FILE")
      ->capture_default_str();
  verb.callback([state] { run_template(*state); });
}

}  // namespace cola
