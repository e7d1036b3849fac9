#include "data/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::size_t offset = 0;
  std::string_view bytes;
  std::string_view name;
  std::string_view way_out;
};

constexpr std::string_view unpack = "unpack it first";
constexpr std::string_view write_lines =
    "write it as JSONL, for example with pandas' to_json(orient=\"records\", lines=True)";
constexpr std::string_view to_utf8 = "convert it with iconv to UTF-8";

constexpr std::array kinds{
    Kind{0, "\x1f\x8b"sv, "a gzip file", "unpack it first: gunzip"},
    Kind{0, "BZh"sv, "a bzip2 file", unpack},
    Kind{0,
         "\xfd"
         "7zXZ\0"sv,
         "an xz file", unpack},
    Kind{0, "\x28\xb5\x2f\xfd"sv, "a zstd file", "unpack it first: zstd -d"},
    Kind{0, "\x04\x22\x4d\x18"sv, "an lz4 file", unpack},
    Kind{0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive", unpack},
    Kind{0, "Rar!\x1a\x07"sv, "a RAR archive", unpack},
    Kind{0, "PK\x03\x04"sv, "a zip archive (or an .xlsx table)", unpack},
    Kind{0, "PK\x05\x06"sv, "an empty zip archive", unpack},
    Kind{257, "ustar"sv, "a tar archive", unpack},
    Kind{0, "PAR1"sv, "a Parquet file", write_lines},
    Kind{0, "ARROW1"sv, "an Arrow file", write_lines},
    Kind{0, "\xff\xff\xff\xff"sv, "an Arrow stream", write_lines},
    Kind{0, "ORC"sv, "an ORC file", write_lines},
    Kind{0, "Obj\x01"sv, "an Avro file", write_lines},
    Kind{0, "SQLite format 3\0"sv, "an SQLite data base", write_lines},
    Kind{0, "\x89HDF\r\n"sv, "an HDF5 file", write_lines},
    Kind{0, "\x93NUMPY"sv, "a NumPy file", write_lines},
    Kind{0, "%PDF-"sv, "a PDF file", "its text has to be taken out and written as JSONL"},
    Kind{0, "{\\rtf"sv, "an RTF file", "its text has to be taken out and written as JSONL"},
    Kind{0, "\xff\xfe\0\0"sv, "UTF-32 text", to_utf8},
    Kind{0, "\0\0\xfe\xff"sv, "UTF-32 text", to_utf8},
    Kind{0, "{\0\0\0"sv, "UTF-32 text", to_utf8},
    Kind{0, "\0\0\0{"sv, "UTF-32 text", to_utf8},
    Kind{0, "\xff\xfe"sv, "UTF-16 text", to_utf8},
    Kind{0, "\xfe\xff"sv, "UTF-16 text", to_utf8},
    Kind{0, "{\0"sv, "UTF-16 text", to_utf8},
    Kind{0, "\0{"sv, "UTF-16 text", to_utf8},
};

[[noreturn]] void refuse(const std::string& name, std::string_view kind, std::string_view way_out) {
  throw Error(
      fmt::format("{}: this is {}, and JSONL is needed, one JSON object a line: {}", name, kind, way_out));
}

void refuse_binary(std::string_view first_bytes, const std::string& name) {
  for (const Kind& kind : kinds) {
    if (first_bytes.size() > kind.offset && first_bytes.substr(kind.offset).starts_with(kind.bytes))
      refuse(name, kind.name, kind.way_out);
  }
}

bool contains_ignoring_case(std::string_view text, std::string_view word) {
  return !std::ranges::search(text, word, {}, [](unsigned char c) { return std::tolower(c); }).empty();
}

/// The first line that is not blank, and whether it ends there.
std::pair<std::string_view, bool> first_line(std::string_view first_bytes) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (first_bytes.starts_with(byte_order_mark)) first_bytes.remove_prefix(byte_order_mark.size());
  const std::size_t begin = first_bytes.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  const std::size_t end = std::min(first_bytes.find_first_of("\r\n", begin), first_bytes.size());
  return {first_bytes.substr(begin, end - begin), end < first_bytes.size()};
}

/// Whether the name ends so, in letters of either case, what packed it (data.csv.gz) left aside.
bool has_extension(std::string_view name, std::string_view extension) {
  for (const std::string_view packed : {".gz", ".zst", ".gzip", ".zstd"}) {
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  }
  return name.size() > extension.size() &&
         contains_ignoring_case(name.substr(name.size() - extension.size()), extension);
}

/// Text that is neither JSON nor a table with a name that says so.
void refuse_foreign_text(std::string_view line, const std::string& name) {
  if (line.front() == '<') {
    const bool html = contains_ignoring_case(line, "html");
    refuse(name, html ? "HTML (a page of a web site in place of the file?)" : "XML",
           "write the data as JSONL, or fetch the file itself");
  }
  if (line.starts_with("version https://git-lfs"))
    refuse(name, "a Git LFS pointer to a file", "fetch the file itself: git lfs pull");
}

void refuse_several_lines(std::string_view line, bool goes_on, const std::string& name) {
  const std::size_t last = line.find_last_not_of(" \t");
  const bool ends_open = "{,[:"sv.find(line[last]) != std::string_view::npos;
  const bool complete = line.find('}') != std::string_view::npos;
  if (goes_on && ends_open && !complete)
    refuse(name, "a JSON object over several lines", "write it on one: jq -c .");
}

/// A table by its name, or by what separates the words of its first line.
DataFormat table_format(std::string_view line, const std::string& name) {
  if (has_extension(name, ".csv")) return DataFormat::csv;
  if (has_extension(name, ".tsv") || has_extension(name, ".tab")) return DataFormat::tsv;
  const bool has_comma = line.find(',') != std::string_view::npos;
  const bool has_tab = line.find('\t') != std::string_view::npos;
  const bool is_called_json = has_extension(name, ".jsonl") || has_extension(name, ".json");
  if (is_called_json && (has_comma || has_tab)) {
    refuse(
        name,
        has_comma ? "text, as CSV (comma-separated values)" : "text with tabs, as TSV (tab-separated values)",
        "call it .csv or .tsv if it is a table");
  }
  if (has_comma && has_tab)
    throw Error(fmt::format("{}: text with commas and tabs in its first line: call it .csv or .tsv", name));
  if (has_comma || has_tab) return has_comma ? DataFormat::csv : DataFormat::tsv;
  for (const char separator : {';', '|'}) {
    if (line.find(separator) != std::string_view::npos)
      refuse(name, fmt::format("text, as a table with {}", separator),
             "write it with commas (CSV), or as JSONL");
  }
  return DataFormat::jsonl;
}

}  // namespace

DataFormat data_format(std::string_view first_bytes, const std::string& name) {
  refuse_binary(first_bytes, name);
  const auto [line, goes_on] = first_line(first_bytes);
  if (line.empty()) return DataFormat::jsonl;
  if (line.front() == '[') return DataFormat::json_array;
  if (line.front() != '{') {
    refuse_foreign_text(line, name);
    return table_format(line, name);
  }
  refuse_several_lines(line, goes_on, name);
  return DataFormat::jsonl;
}

void refuse_other_kind(std::string_view first_bytes, const std::string& name) {
  switch (data_format(first_bytes, name)) {
    case DataFormat::jsonl:
      return;
    case DataFormat::json_array:
      refuse(name, "a JSON array", "write its entries one a line: jq -c '.[]'");
    case DataFormat::csv:
      refuse(name, "text, as CSV (comma-separated values)", write_lines);
    case DataFormat::tsv:
      refuse(name, "text with tabs, as TSV (tab-separated values)", write_lines);
  }
}

}  // namespace cola
