#pragma once
#include <string>
#include <vector>

#include "io/json.h"

namespace cola {

/// What is to happen while a JSON text is read.
struct JsonBuilderOptions {
  bool unique_keys = false;                   ///< refuse a key that occurs twice in an object
  std::vector<std::string>* outer = nullptr;  ///< gets the outermost object's keys in order, each once
};

/// The receiver of nlohmann's SAX parser that makes the tree. Its own parser with a callback looks through
/// all siblings after every object, which is quadratic; this one is linear and bounds the nesting.
class JsonBuilder {
 public:
  JsonBuilder(const std::string& where, const JsonBuilderOptions& options);

  [[nodiscard]] Json take() { return std::move(root_); }

  // The names are those that nlohmann's parser calls. All throw Error; none returns false.
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string& /*text*/) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t& value) { return add(std::move(value)); }
  bool start_object(std::size_t /*size*/) { return open(Json::value_t::object); }
  bool start_array(std::size_t /*size*/) { return open(Json::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& value);
  [[noreturn]] bool parse_error(std::size_t position, const std::string& token, const Json::exception& error);

 private:
  struct Level {
    Json value;       // the container as far as it is read
    std::string key;  // of the member that comes, in an object; empty between members
  };

  bool open(Json::value_t kind);
  bool close();
  bool add(Json value);
  [[nodiscard]] std::string path() const;  // of what comes: "messages[0].content"

  const std::string& where_;
  JsonBuilderOptions options_;
  std::vector<Level> levels_;  // the containers that are open, outermost first
  Json root_;
};

}  // namespace cola
