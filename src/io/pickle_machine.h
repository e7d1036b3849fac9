#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace cola {

/// Values refer to each other by number: a pickle may share values and hold cycles, and nothing here
/// recurses.
using PickleId = std::uint32_t;

struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    integer,  ///< `integer`; booleans too
    text,     ///< `text`
    opaque,   ///< a float or bytes: never looked at
    tuple,    ///< `items`
    list,     ///< `items`
    dict,     ///< `items`: key, value, key, value, ...
    global,   ///< `text`: "module.name", one of the few that are allowed
    storage,  ///< `items`: the persistent id ("storage", class, key, location, elements)
    tensor,   ///< `items`: the arguments (storage, offset, size, stride, ...) of
              ///< torch._utils._rebuild_tensor_v2
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  std::string text;
  std::vector<PickleId> items;
};

/// Runs one pickle; the result is plain values. What may be asked for is fixed: see read_torch_pickle.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> pickle, const std::string& where)
      : input_(pickle), where_(where) {}

  /// To be called once. Throws Error beginning with `where`.
  PickleId run();
  [[nodiscard]] const PickleValue& operator[](PickleId id) const { return values_[id]; }

 private:
  using Kind = PickleValue::Kind;

  bool push_simple(unsigned opcode);  ///< these four return false on an opcode that is not theirs
  bool build_container(unsigned opcode);
  bool use_memo(unsigned opcode);
  bool make_object(unsigned opcode);

  [[nodiscard]] std::span<const std::byte> take(std::uint64_t count);
  [[nodiscard]] std::uint64_t number(std::size_t bytes);  ///< little-endian
  [[nodiscard]] std::string text(std::uint64_t count);
  [[nodiscard]] std::string line();
  [[nodiscard]] std::int64_t long_integer();

  void push(PickleId id);
  void push_new(PickleValue value);
  void push_integer(std::int64_t integer);
  PickleId pop();
  PickleId top() const;
  std::vector<PickleId> pop_to_mark();
  void push_tuple_of(std::size_t count);
  void append(PickleId container, Kind kind, const std::vector<PickleId>& items);
  void memoize(std::uint64_t key);
  void recall(std::uint64_t key);
  void push_global(const std::string& name);
  void push_storage();
  void reduce();
  void build();

  [[noreturn]] void fail(const std::string& cause) const;

  std::span<const std::byte> input_;
  const std::string& where_;
  std::size_t position_ = 0;
  std::vector<PickleValue> values_;
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::unordered_map<std::uint64_t, PickleId> memo_;
};

}  // namespace cola
