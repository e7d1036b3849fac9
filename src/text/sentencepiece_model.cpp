#include "text/sentencepiece_model.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "text/score_merges.h"
#include "text/utf8.h"

namespace cola {
namespace {

/// One member of a protocol buffer's message.
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  ///< of a whole number, or the bits of a float
  std::string_view bytes;   ///< of a string or a message
};

/// Goes through a message's members. Throws Error beginning with `where` if it ends within one.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  [[nodiscard]] std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const std::uint64_t tag = varint();
    Field field{.number = tag >> 3, .bytes = {}};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.value = fixed(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.value = fixed(4);
        break;
      default:
        fail();
    }
    return field;
  }

 private:
  [[noreturn]] void fail() const { throw Error(where_ + ": not a sentencepiece model"); }

  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) fail();
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  std::uint64_t fixed(std::size_t count) {
    const std::string_view bytes = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return value;
  }

  std::string_view rest_;
  const std::string& where_;
};

void for_each_field(std::string_view bytes, const std::string& where,
                    const std::function<void(const Field&)>& each) {
  MessageReader reader(bytes, where);
  while (const std::optional<Field> field = reader.next()) each(*field);
}

bool is_plain_bpe(const SentencePieceModel& model) {
  constexpr std::uint64_t bpe = 2;
  return model.model_type == bpe && model.byte_fallback && !model.space_as_suffix && !model.maps_characters &&
         !model.removes_spaces && model.escapes_spaces;
}

/// Whether Bpe can have these pieces: none that the library treats apart, and every character of one is one.
bool are_plain(const std::vector<SentencePieceModel::Piece>& pieces, const Vocabulary& vocabulary,
               const std::vector<bool>& normal) {
  constexpr std::size_t longest = 1024;  // bytes; a piece has a merge for each of its characters
  using Model = SentencePieceModel;
  std::size_t bytes = 0;
  for (const Model::Piece& piece : pieces) {
    if (piece.type == Model::byte) ++bytes;
    if (piece.type == Model::user_defined || piece.type == Model::unused) return false;
    if (piece.text.empty() || piece.text.size() > longest || !std::isfinite(piece.score)) return false;
    for (std::size_t at = 0; at < piece.text.size();) {
      const Utf8Step step = utf8_step(piece.text, at);
      const auto id = vocabulary.find(piece.text.substr(at, step.length));
      const bool is_piece = id && normal[static_cast<std::size_t>(*id)];
      const bool is_whole = step.length == piece.text.size();
      if (!step.valid || (piece.type == Model::normal ? !is_piece : is_whole)) return false;
      at += step.length;
    }
  }
  return bytes == 256;
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& where) {
  SentencePieceModel model;
  for_each_field(bytes, where, [&](const Field& part) {
    if (part.number == 1) {
      SentencePieceModel::Piece& piece = model.pieces.emplace_back();
      for_each_field(part.bytes, where, [&](const Field& field) {
        if (field.number == 1) piece.text = field.bytes;
        if (field.number == 2) piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
        if (field.number == 3) piece.type = field.value;
      });
    } else if (part.number == 2) {  // TrainerSpec
      for_each_field(part.bytes, where, [&](const Field& field) {
        if (field.number == 3) model.model_type = field.value;
        if (field.number == 24) model.space_as_suffix = field.value != 0;
        if (field.number == 35) model.byte_fallback = field.value != 0;
      });
    } else if (part.number == 3) {  // NormalizerSpec
      for_each_field(part.bytes, where, [&](const Field& field) {
        if (field.number == 2) model.maps_characters = !field.bytes.empty();
        if (field.number == 3) model.dummy_prefix = field.value != 0;
        if (field.number == 4) model.removes_spaces = field.value != 0;
        if (field.number == 5) model.escapes_spaces = field.value != 0;
      });
    }
  });
  return model;
}

std::optional<Bpe> bpe_of(const SentencePieceModel& model, const std::string& where) {
  if (!is_plain_bpe(model)) return std::nullopt;
  std::vector<ScoredToken> pieces;  // that are normal
  std::vector<bool> normal;
  Vocabulary vocabulary;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    vocabulary.add(std::string(piece.text), vocabulary.size(), where);
    normal.push_back(piece.type == SentencePieceModel::normal);
    if (normal.back()) pieces.push_back({piece.text, piece.score});
  }
  if (!are_plain(model.pieces, vocabulary, normal)) return std::nullopt;
  const ScoreMerges found =
      merges_by_score(std::move(pieces), vocabulary, normal, std::numeric_limits<std::size_t>::max(), where);
  BpeOptions options;
  options.byte_fallback = true;
  return Bpe(std::move(vocabulary), found.merges, options, where, found.ranks);
}

}  // namespace cola
