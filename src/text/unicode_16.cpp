#include "text/unicode_16.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cola {

namespace {

constexpr unsigned alphabetic = 1;
constexpr unsigned lowercase = 2;
constexpr unsigned uppercase = 4;
constexpr unsigned emoji = 8;  // Emoji and Emoji_Presentation
constexpr unsigned modifier_base = 16;

/// Code points that are not in Unicode 16 what they were in 14.
struct Change {
  OnigCodePoint first = 0;
  OnigCodePoint last = 0;
  std::string_view category;
  unsigned flags = 0;
  std::string_view script;  ///< empty where it did not change
};

constexpr auto changes = std::to_array<Change>({
#include "text/unicode_16_changes.inc"
});

using Holds = std::function<bool(const Change&)>;
using Ranges = std::vector<OnigCodePoint>;  // Oniguruma's: how many, then the first and the last of each

/// The library's number for a property; negative where it does not know the name.
int library_ctype(std::string_view name) {
  std::string text(name);
  auto* begin = reinterpret_cast<OnigUChar*>(text.data());
  return OnigEncodingUTF8.property_name_to_ctype(&OnigEncodingUTF8, begin, begin + text.size());
}

const OnigCodePoint* library_ranges(int ctype) {
  OnigCodePoint single_byte_end = 0;
  const OnigCodePoint* ranges = nullptr;
  const int result =
      OnigEncodingUTF8.get_ctype_code_range(static_cast<OnigCtype>(ctype), &single_byte_end, &ranges);
  return result == 0 ? ranges : nullptr;
}

using Parts = std::vector<std::pair<OnigCodePoint, OnigCodePoint>>;

Parts parts_of(const OnigCodePoint* ranges) {
  Parts parts;
  for (OnigCodePoint i = 0; i < ranges[0]; ++i) parts.emplace_back(ranges[1 + 2 * i], ranges[2 + 2 * i]);
  return parts;
}

Ranges joined(Parts parts) {
  std::ranges::sort(parts);
  Ranges ranges{0};
  for (const auto& [first, last] : parts) {
    if (ranges.size() > 1 && ranges.back() + 1 == first) {
      ranges.back() = last;
    } else {
      ranges.insert(ranges.end(), {first, last});
      ++ranges.front();
    }
  }
  return ranges;
}

/// The library's ranges, but of the changed code points those that hold.
Ranges with_changes(const OnigCodePoint* library, const Holds& holds) {
  Parts parts;
  for (auto [begin, last] : parts_of(library)) {
    for (const Change& change : changes) {
      if (change.last < begin || change.first > last) continue;
      if (change.first > begin) parts.emplace_back(begin, change.first - 1);
      begin = change.last + 1;
    }
    if (begin <= last) parts.emplace_back(begin, last);
  }
  for (const Change& change : changes) {
    if (holds(change)) parts.emplace_back(change.first, change.last);
  }
  return joined(std::move(parts));
}

bool is_word(const Change& change) {
  return (change.flags & alphabetic) != 0 || change.category.front() == 'M' || change.category == "Nd" ||
         change.category == "Pc";
}

bool starts_identifier(const Change& change) {
  return change.category.front() == 'L' || change.category == "Nl";
}

Holds has(unsigned flags) {
  return [flags](const Change& change) { return (change.flags & flags) != 0; };
}

Holds in_script(std::string_view script) {
  return [script](const Change& change) { return change.script == script; };
}

/// Properties of which a changed code point can be a member or cease to be one, apart from scripts.
std::vector<std::pair<std::string_view, Holds>> known_properties() {
  const Holds graphic = [](const Change& change) { return change.category.front() != 'Z'; };
  const Holds always = [](const Change&) { return true; };
  const Holds never = [](const Change&) { return false; };
  std::vector<std::pair<std::string_view, Holds>> properties{
      {"alpha", has(alphabetic)},
      {"alphabetic", has(alphabetic)},
      {"lower", has(lowercase)},
      {"lowercase", has(lowercase)},
      {"upper", has(uppercase)},
      {"uppercase", has(uppercase)},
      {"cased", has(lowercase | uppercase)},
      {"emoji", has(emoji)},
      {"emojipresentation", has(emoji)},
      {"emojimodifierbase", has(modifier_base)},
      {"word", is_word},
      {"alnum",
       [](const Change& change) { return (change.flags & alphabetic) != 0 || change.category == "Nd"; }},
      {"digit", [](const Change& change) { return change.category == "Nd"; }},
      {"graph", graphic},
      {"print", graphic},
      {"lc", [](const Change& change) { return change.category == "Lu" || change.category == "Ll"; }},
      {"idstart", starts_identifier},
      {"xidstart", starts_identifier},
      {"ideographic",
       [](const Change& change) { return change.script == "Han" || change.script == "Khitan_Small_Script"; }},
      {"unifiedideograph", in_script("Han")},
      {"assigned", always},
      {"cn", never},
      {"unknown", never},
  };
  for (const std::string_view group : {"l", "m", "n", "p", "s", "c"}) {
    properties.emplace_back(group, [letter = static_cast<char>(group.front() - 'a' + 'A')](
                                       const Change& change) { return change.category.front() == letter; });
  }
  for (const std::string_view category :
       {"Lu", "Ll", "Lm", "Lo", "Mn", "Mc", "Nd", "No", "Pd", "Po", "Sm", "So", "Cf"}) {
    properties.emplace_back(category,
                            [category](const Change& change) { return change.category == category; });
  }
  return properties;
}

/// Changed since Unicode 14 in ways that the table does not tell.
constexpr auto unknown_properties = std::to_array<std::string_view>({"caseignorable",
                                                                     "changeswhencasefolded",
                                                                     "changeswhencasemapped",
                                                                     "changeswhenlowercased",
                                                                     "changeswhentitlecased",
                                                                     "changeswhenuppercased",
                                                                     "dash",
                                                                     "diacritic",
                                                                     "extender",
                                                                     "graphemebase",
                                                                     "graphemeextend",
                                                                     "graphemelink",
                                                                     "idcontinue",
                                                                     "idsbinaryoperator",
                                                                     "math",
                                                                     "otheralphabetic",
                                                                     "othergraphemeextend",
                                                                     "otherlowercase",
                                                                     "sentenceterminal",
                                                                     "softdotted",
                                                                     "terminalpunctuation",
                                                                     "inegyptianhieroglyphformatcontrols",
                                                                     "innoblock",
                                                                     "xidcontinue"});

/// The classes that differ from the library's, by the library's numbers.
class Classes {
 public:
  Classes() {
    for (const auto& [name, holds] : known_properties()) put(library_ctype(name), holds);
    for (const Change& change : changes) {
      const int script = change.script.empty() ? -1 : library_ctype(change.script);
      if (script >= 0 && find(script) == nullptr) put(script, in_script(change.script));
    }
    // Oniguruma 6.9.9 made [[:punct:]] punctuation and symbols; \p{Punct} is punctuation alone.
    Parts both = parts_of(find(library_ctype("p"))->data());
    const Parts symbols = parts_of(find(library_ctype("s"))->data());
    both.insert(both.end(), symbols.begin(), symbols.end());
    set(ONIGENC_CTYPE_PUNCT, joined(std::move(both)));
    for (const std::string_view name : unknown_properties) {
      if (const int ctype = library_ctype(name); ctype >= 0) refused_.push_back(ctype);
    }
  }

  [[nodiscard]] const Ranges* find(int ctype) const {
    const auto index = static_cast<std::size_t>(ctype);
    return index < by_ctype_.size() && !by_ctype_[index].empty() ? &by_ctype_[index] : nullptr;
  }
  [[nodiscard]] bool refuses(int ctype) const { return std::ranges::find(refused_, ctype) != refused_.end(); }

 private:
  void put(int ctype, const Holds& holds) {
    const OnigCodePoint* library = ctype < 0 ? nullptr : library_ranges(ctype);
    if (library != nullptr) set(ctype, with_changes(library, holds));
  }

  void set(int ctype, Ranges ranges) {
    const auto index = static_cast<std::size_t>(ctype);
    if (index >= by_ctype_.size()) by_ctype_.resize(index + 1);
    by_ctype_[index] = std::move(ranges);
  }

  std::vector<Ranges> by_ctype_;
  std::vector<int> refused_;
};

const Classes& classes() {
  static const Classes value;
  return value;
}

int property_name_to_ctype(OnigEncodingType* /*encoding*/, OnigUChar* begin, OnigUChar* end) {
  std::string name;
  for (const OnigUChar* c = begin; c < end; ++c) {
    if (*c == ' ' || *c == '-' || *c == '_') continue;
    name.push_back(static_cast<char>(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c));
  }
  if (name == "punct") name = "p";
  if (name == "word") return ONIGERR_INVALID_CHAR_PROPERTY_NAME;  // \w since 6.9.9, and less before
  if (name == "posixpunct") return ONIGENC_CTYPE_PUNCT;
  const int ctype = library_ctype(name);
  return ctype >= 0 && classes().refuses(ctype) ? ONIGERR_INVALID_CHAR_PROPERTY_NAME : ctype;
}

int is_code_ctype(OnigCodePoint code, OnigCtype ctype) {
  const Ranges* ranges = classes().find(static_cast<int>(ctype));
  // Of Latin-1 the library's \w has more than its ranges say.
  const bool latin_1 = code < 0x100 && ctype <= ONIGENC_MAX_STD_CTYPE && ctype != ONIGENC_CTYPE_PUNCT;
  if (ranges == nullptr || latin_1) {
    return OnigEncodingUTF8.is_code_ctype(code, ctype);
  }
  // Boundaries go up: an odd number of firsts and lasts below `code` is inside a range.
  const auto above = std::lower_bound(ranges->begin() + 1, ranges->end(), code);
  if (above == ranges->end()) return 0;
  const bool is_last = (above - ranges->begin()) % 2 == 0;
  return is_last || *above == code ? 1 : 0;
}

int get_ctype_code_range(OnigCtype ctype, OnigCodePoint* single_byte_end, const OnigCodePoint* ranges[]) {
  const int result = OnigEncodingUTF8.get_ctype_code_range(ctype, single_byte_end, ranges);
  const Ranges* changed = classes().find(static_cast<int>(ctype));
  if (result == 0 && changed != nullptr) *ranges = changed->data();
  return result;
}

/// Capital and small letters that Unicode 16 added.
struct CasePairs {
  OnigCodePoint first_upper = 0;
  OnigCodePoint last_upper = 0;
  OnigCodePoint first_lower = 0;
};
constexpr std::array<CasePairs, 6> case_pairs{{{0x1C89, 0x1C89, 0x1C8A},
                                               {0xA7CB, 0xA7CB, 0x0264},
                                               {0xA7CC, 0xA7CC, 0xA7CD},
                                               {0xA7DA, 0xA7DA, 0xA7DB},
                                               {0xA7DC, 0xA7DC, 0x019B},
                                               {0x10D50, 0x10D65, 0x10D70}}};

/// The small letter of a new capital one, else 0.
OnigCodePoint new_lower(OnigCodePoint code) {
  for (const CasePairs& pairs : case_pairs) {
    if (code >= pairs.first_upper && code <= pairs.last_upper) {
      return pairs.first_lower + (code - pairs.first_upper);
    }
  }
  return 0;
}

OnigCodePoint new_upper(OnigCodePoint code) {
  for (const CasePairs& pairs : case_pairs) {
    const OnigCodePoint last_lower = pairs.first_lower + (pairs.last_upper - pairs.first_upper);
    if (code >= pairs.first_lower && code <= last_lower) {
      return pairs.first_upper + (code - pairs.first_lower);
    }
  }
  return 0;
}

int mbc_case_fold(OnigCaseFoldType flag, const OnigUChar** position, const OnigUChar* end, OnigUChar* to) {
  const OnigCodePoint lower = new_lower(OnigEncodingUTF8.mbc_to_code(*position, end));
  if (lower == 0) return OnigEncodingUTF8.mbc_case_fold(flag, position, end, to);
  *position += OnigEncodingUTF8.mbc_enc_len(*position);
  return OnigEncodingUTF8.code_to_mbc(lower, to);
}

int apply_all_case_fold(OnigCaseFoldType flag, OnigApplyAllCaseFoldFunc apply, void* argument) {
  if (const int result = OnigEncodingUTF8.apply_all_case_fold(flag, apply, argument); result != 0) {
    return result;
  }
  for (const CasePairs& pairs : case_pairs) {
    for (OnigCodePoint upper = pairs.first_upper; upper <= pairs.last_upper; ++upper) {
      OnigCodePoint to = new_lower(upper);
      if (const int result = apply(upper, &to, 1, argument); result != 0) return result;
      const OnigCodePoint lower = std::exchange(to, upper);
      if (const int result = apply(lower, &to, 1, argument); result != 0) return result;
    }
  }
  return 0;
}

int get_case_fold_codes_by_str(OnigCaseFoldType flag, const OnigUChar* position, const OnigUChar* end,
                               OnigCaseFoldCodeItem items[]) {
  const OnigCodePoint code = OnigEncodingUTF8.mbc_to_code(position, end);
  const OnigCodePoint lower = new_lower(code);
  const OnigCodePoint other = lower != 0 ? lower : new_upper(code);
  if (other == 0) return OnigEncodingUTF8.get_case_fold_codes_by_str(flag, position, end, items);
  items[0].byte_len = OnigEncodingUTF8.mbc_enc_len(position);
  items[0].code_len = 1;
  items[0].code[0] = other;
  return 1;
}

OnigEncodingType make_encoding() {
  OnigEncodingType encoding = OnigEncodingUTF8;
  encoding.property_name_to_ctype = property_name_to_ctype;
  encoding.is_code_ctype = is_code_ctype;
  encoding.get_ctype_code_range = get_ctype_code_range;
  encoding.mbc_case_fold = mbc_case_fold;
  encoding.apply_all_case_fold = apply_all_case_fold;
  encoding.get_case_fold_codes_by_str = get_case_fold_codes_by_str;
  return encoding;
}

}  // namespace

OnigEncodingType* unicode_16_utf8() {
  static OnigEncodingType encoding = make_encoding();
  static const int initialized = [] {
    OnigEncodingType* used = &encoding;
    return onig_initialize(&used, 1);
  }();
  return initialized == ONIG_NORMAL ? &encoding : nullptr;
}

}  // namespace cola
