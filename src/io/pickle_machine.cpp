// Opcodes: CPython's Lib/pickletools.py.
#include "io/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

// A checkpoint has some twenty values a tensor, and at most some ten thousand tensors.
constexpr std::size_t max_values = std::size_t{1} << 20;
constexpr std::size_t max_stack = std::size_t{1} << 20;
constexpr std::size_t max_marks = 1000;  // the nesting of containers
constexpr std::size_t max_memo = std::size_t{1} << 20;
constexpr std::size_t max_line = 256;

constexpr std::string_view ordered_dict = "collections.OrderedDict";
constexpr std::string_view rebuild_tensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view rebuild_parameter = "torch._utils._rebuild_parameter";
constexpr std::array<std::string_view, 14> storage_classes = {
    "torch.FloatStorage",        "torch.HalfStorage",         "torch.BFloat16Storage", "torch.LongStorage",
    "torch.IntStorage",          "torch.ShortStorage",        "torch.CharStorage",     "torch.ByteStorage",
    "torch.BoolStorage",         "torch.DoubleStorage",       "torch.QInt8Storage",    "torch.QUInt8Storage",
    "torch.ComplexFloatStorage", "torch.ComplexDoubleStorage"};

bool is_storage_class(std::string_view name) {
  return std::find(storage_classes.begin(), storage_classes.end(), name) != storage_classes.end();
}

bool is_allowed(std::string_view name) {
  return name == ordered_dict || name == rebuild_tensor || name == rebuild_parameter ||
         is_storage_class(name);
}

}  // namespace

PickleId PickleMachine::run() {
  constexpr unsigned stop = '.';
  while (true) {
    const auto opcode = static_cast<unsigned>(number(1));
    if (opcode == stop) return pop();
    if (!push_simple(opcode) && !build_container(opcode) && !use_memo(opcode) && !make_object(opcode)) {
      fail(fmt::format("refused: the pickle has opcode 0x{:02x} at {}", opcode, position_ - 1));
    }
  }
}

bool PickleMachine::push_simple(unsigned opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (number(1) > 5) fail("a pickle of an unknown protocol");
      return true;
    case 0x95:  // FRAME: only a hint
      static_cast<void>(number(8));
      return true;
    case 'N':  // NONE
      push_new({});
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push_integer(opcode == 0x88 ? 1 : 0);
      return true;
    case 'J':  // BININT
      push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
      return true;
    case 'K':  // BININT1
      push_integer(static_cast<std::int64_t>(number(1)));
      return true;
    case 'M':  // BININT2
      push_integer(static_cast<std::int64_t>(number(2)));
      return true;
    case 0x8a:  // LONG1
      push_integer(long_integer());
      return true;
    case 'X':  // BINUNICODE
      push_new({Kind::text, 0, text(number(4)), {}});
      return true;
    case 0x8c:  // SHORT_BINUNICODE
    case 'U':   // SHORT_BINSTRING
      push_new({Kind::text, 0, text(number(1)), {}});
      return true;
    case 'G':  // BINFLOAT
      static_cast<void>(take(8));
      push_new({Kind::opaque, 0, {}, {}});
      return true;
    case 'B':  // BINBYTES
    case 'C':  // SHORT_BINBYTES
      static_cast<void>(take(number(opcode == 'B' ? 4 : 1)));
      push_new({Kind::opaque, 0, {}, {}});
      return true;
    default:
      return false;
  }
}

bool PickleMachine::build_container(unsigned opcode) {
  switch (opcode) {
    case '(':  // MARK
      if (marks_.size() >= max_marks) fail("refused: the pickle is nested too deeply");
      marks_.push_back(stack_.size());
      return true;
    case ')':  // EMPTY_TUPLE
      push_new({Kind::tuple, 0, {}, {}});
      return true;
    case ']':  // EMPTY_LIST
      push_new({Kind::list, 0, {}, {}});
      return true;
    case '}':  // EMPTY_DICT
      push_new({Kind::dict, 0, {}, {}});
      return true;
    case 't':  // TUPLE
      push_new({Kind::tuple, 0, {}, pop_to_mark()});
      return true;
    case 0x85:  // TUPLE1, TUPLE2, TUPLE3
    case 0x86:
    case 0x87:
      push_tuple_of(opcode - 0x84);
      return true;
    case 'a': {  // APPEND
      const PickleId item = pop();
      append(top(), Kind::list, {item});
      return true;
    }
    case 'e': {  // APPENDS
      const auto items = pop_to_mark();
      append(top(), Kind::list, items);
      return true;
    }
    case 's': {  // SETITEM
      const PickleId value = pop();
      const PickleId key = pop();
      append(top(), Kind::dict, {key, value});
      return true;
    }
    case 'u': {  // SETITEMS
      const auto items = pop_to_mark();
      if (items.size() % 2 != 0) fail("a damaged pickle: a dict's key has no value");
      append(top(), Kind::dict, items);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::use_memo(unsigned opcode) {
  switch (opcode) {
    case 'q':  // BINPUT
      memoize(number(1));
      return true;
    case 'r':  // LONG_BINPUT
      memoize(number(4));
      return true;
    case 0x94:  // MEMOIZE
      memoize(memo_.size());
      return true;
    case 'h':  // BINGET
      recall(number(1));
      return true;
    case 'j':  // LONG_BINGET
      recall(number(4));
      return true;
    default:
      return false;
  }
}

bool PickleMachine::make_object(unsigned opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string module = line();
      push_global(module + '.' + line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleValue& name = values_[pop()];
      const PickleValue& module = values_[pop()];
      if (name.kind != Kind::text || module.kind != Kind::text)
        fail("a damaged pickle: a global without a name");
      push_global(module.text + '.' + name.text);
      return true;
    }
    case 'Q':  // BINPERSID
      push_storage();
      return true;
    case 'R':  // REDUCE
      reduce();
      return true;
    case 'b':  // BUILD
      build();
      return true;
    default:
      return false;
  }
}

void PickleMachine::push_global(const std::string& name) {
  if (!is_allowed(name)) fail(fmt::format("refused: the pickle asks for '{}'", printable(name)));
  push_new({Kind::global, 0, name, {}});
}

void PickleMachine::push_storage() {
  PickleValue& id = values_[pop()];
  const bool named = id.kind == Kind::tuple && id.items.size() == 5 &&
                     values_[id.items[0]].kind == Kind::text && values_[id.items[0]].text == "storage";
  if (!named) fail("a persistent id that is not a storage");
  const PickleValue& storage_class = values_[id.items[1]];
  const bool typed = storage_class.kind == Kind::global && is_storage_class(storage_class.text) &&
                     values_[id.items[2]].kind == Kind::text && values_[id.items[4]].kind == Kind::integer;
  if (!typed) fail("a damaged storage");
  push_new({Kind::storage, 0, {}, id.items});
}

void PickleMachine::reduce() {
  const PickleValue& arguments = values_[pop()];
  const PickleValue& function = values_[pop()];
  if (function.kind != Kind::global || arguments.kind != Kind::tuple)
    fail("refused: a call of what is not a global");
  const auto& items = arguments.items;
  if (function.text == ordered_dict && items.empty()) {
    push_new({Kind::dict, 0, {}, {}});
  } else if (function.text == rebuild_tensor && (items.size() == 6 || items.size() == 7)) {
    push_new({Kind::tensor, 0, {}, items});
  } else if (function.text == rebuild_parameter && items.size() == 3) {
    push(items[0]);
  } else {
    fail(fmt::format("refused: a call of {} with {} arguments", function.text, items.size()));
  }
}

/// The state of an OrderedDict (its `_metadata`) is dropped.
void PickleMachine::build() {
  pop();
  if (values_[top()].kind != Kind::dict) fail("refused: state for what is not a dict");
}

std::span<const std::byte> PickleMachine::take(std::uint64_t count) {
  if (count > input_.size() - position_) fail("a truncated pickle");
  const auto bytes = input_.subspan(position_, static_cast<std::size_t>(count));
  position_ += bytes.size();
  return bytes;
}

std::uint64_t PickleMachine::number(std::size_t bytes) {
  const auto digits = take(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(digits[i]);
  return value;
}

std::string PickleMachine::text(std::uint64_t count) {
  const auto bytes = take(count);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string PickleMachine::line() {
  std::string result;
  while (result.size() <= max_line) {
    const auto character = static_cast<char>(number(1));
    if (character == '\n') return result;
    result += character;
  }
  fail("a damaged pickle: a name without an end");
}

/// Two's complement of up to 8 bytes.
std::int64_t PickleMachine::long_integer() {
  const auto count = static_cast<std::size_t>(number(1));
  if (count > 8) fail("refused: an integer of more than 64 bits");
  if (count == 0) return 0;
  const auto unused = static_cast<unsigned>(64 - 8 * count);
  return static_cast<std::int64_t>(number(count) << unused) >> unused;
}

void PickleMachine::push(PickleId id) {
  if (stack_.size() >= max_stack) fail("refused: the pickle needs too large a stack");
  stack_.push_back(id);
}

void PickleMachine::push_new(PickleValue value) {
  if (values_.size() >= max_values) fail("refused: the pickle has too many values");
  values_.push_back(std::move(value));
  push(static_cast<PickleId>(values_.size() - 1));
}

void PickleMachine::push_integer(std::int64_t integer) { push_new({Kind::integer, integer, {}, {}}); }

PickleId PickleMachine::top() const {
  const std::size_t bottom = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= bottom) fail("a damaged pickle: its stack is empty");
  return stack_.back();
}

PickleId PickleMachine::pop() {
  const PickleId id = top();
  stack_.pop_back();
  return id;
}

std::vector<PickleId> PickleMachine::pop_to_mark() {
  if (marks_.empty()) fail("a damaged pickle: a mark is missing");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleId> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::push_tuple_of(std::size_t count) {
  std::vector<PickleId> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  push_new({Kind::tuple, 0, {}, std::move(items)});
}

void PickleMachine::append(PickleId container, Kind kind, const std::vector<PickleId>& items) {
  PickleValue& value = values_[container];
  if (value.kind != kind) fail("a damaged pickle: items for what is not their container");
  value.items.insert(value.items.end(), items.begin(), items.end());
}

void PickleMachine::memoize(std::uint64_t key) {
  if (memo_.size() >= max_memo) fail("refused: the pickle has too large a memo");
  memo_.insert_or_assign(key, top());
}

void PickleMachine::recall(std::uint64_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) fail("a damaged pickle: it uses a value that it did not keep");
  push(found->second);
}

void PickleMachine::fail(const std::string& cause) const {
  throw Error(fmt::format("{}: {}", where_, cause));
}

}  // namespace cola
