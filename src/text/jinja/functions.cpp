#include "text/jinja/functions.h"

#include <algorithm>
#include <array>

#include <memory>
#include <string>

#include "text/jinja/arguments.h"

namespace cola::jinja {
namespace {

/// What dict() and namespace() are made of.
Dict dict_of(const CallArguments& given) {
  Dict dict;
  if (given.positional.size() > 1) fail("dict expected at most 1 argument");
  if (!given.positional.empty()) {
    if (given.positional.front().dict() == nullptr)
      throw Error(Error::Kind::unknown, "dict() of anything but a dict is not known here");
    dict = *given.positional.front().dict();
  }
  for (const auto& [name, value] : given.named) dict.set(Text(name), value);
  return dict;
}

Value range(const CallArguments& given) {
  const Arguments<3> arguments("range", given, {"start", "stop", "step"});
  const bool has_start = arguments[1] != nullptr;
  const std::int64_t begin = has_start ? arguments.integer(0, 0) : 0;
  (void)arguments.required(0);
  const std::int64_t end = arguments.integer(has_start ? 1 : 0, 0);
  const std::int64_t step = arguments.integer(2, 1);
  if (step == 0) fail("range() arg 3 must not be zero");
  constexpr std::size_t most = 100'000;  // as jinja2's sandbox
  List list;
  list.form = List::Form::range;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (list.items.size() == most)
      fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    list.items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return list;
}

Value written_time(const std::tm& now, const CallArguments& given) {
  const std::string& format = Arguments<1>("strftime_now", given, {"format"}).text(0).bytes;
  if (format.empty()) return Text();
  std::string text(format.size() * 64 + 256, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &now));
  return Text(std::move(text));
}

Value make_namespace(const CallArguments& given) {
  return std::make_shared<Namespace>(Namespace{dict_of(given)});
}

Value make_dict(const CallArguments& given) { return dict_of(given); }

Value raise_exception(const CallArguments& given) {
  const Arguments<1> arguments("raise_exception", given, {"message"});
  throw Error(Error::Kind::refusal, text_of(arguments.required(0)).bytes);
}

}  // namespace

std::optional<Value> function_named(std::string_view name, const std::tm& now) {
  // Made once: renderings share them.
  static const std::array<std::pair<std::string_view, Value>, 4> shared = {{
      {"namespace", Callable{"namespace", make_namespace}},
      {"dict", Callable{"dict", make_dict}},
      {"range", Callable{"range", range}},
      {"raise_exception", Callable{"raise_exception", raise_exception}},
  }};
  const auto* found = std::ranges::find(shared, name, &std::pair<std::string_view, Value>::first);
  if (found != shared.end()) return found->second;
  if (name != "strftime_now") return std::nullopt;
  return Callable{"strftime_now", [now](const CallArguments& given) { return written_time(now, given); }};
}

}  // namespace cola::jinja
