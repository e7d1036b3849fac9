#include "log/run_log.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/error.h"

namespace cola {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(fmt::format("{}: cannot write: {}", path.string(), std::strerror(errno)));
}

}  // namespace

RunLog::RunLog(const std::filesystem::path& file) : path_(file) {
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): file_ owns it
  file_.reset(std::fopen(file.c_str(), "ab"));
  if (!file_) fail(path_);
  if (flock(fileno(file_.get()), LOCK_EX | LOCK_NB) != 0) {
    throw Error(
        fmt::format("{}: another process is training into this run folder", file.parent_path().string()));
  }
}

void RunLog::cut(std::int64_t bytes) {
  if (!file_) return;
  if (bytes < 0 || bytes > this->bytes()) {
    throw Error(fmt::format("{}: shorter than the {} bytes that the checkpoint has noted: lines are missing",
                            path_.string(), bytes));
  }
  if (ftruncate(fileno(file_.get()), static_cast<off_t>(bytes)) != 0) fail(path_);
}

void RunLog::write(const Json& event) {
  if (!file_) return;
  const std::string line = event.dump() + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0)
    fail(path_);
}

void RunLog::sync() {
  if (file_ && fsync(fileno(file_.get())) != 0) fail(path_);
}

std::int64_t RunLog::bytes() const {
  return file_ ? static_cast<std::int64_t>(std::filesystem::file_size(path_)) : 0;
}

std::vector<Json> read_run_log(const std::filesystem::path& file) {
  std::vector<Json> events;
  std::ifstream stream(file);
  if (!stream) throw Error(fmt::format("{}: cannot read", file.string()));
  for (std::string line; std::getline(stream, line);) {
    if (stream.eof() && !Json::accept(line)) break;
    events.push_back(parse_json(line, fmt::format("{}:{}", file.string(), events.size() + 1)));
  }
  return events;
}

}  // namespace cola
