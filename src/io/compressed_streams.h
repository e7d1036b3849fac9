#pragma once
#include <memory>
#include <string>

#include "io/byte_stream.h"

namespace cola {

/// What `packed` holds, unpacked: all members of a gzip file (RFC 1952), one after the other. `name` begins
/// errors.
[[nodiscard]] std::unique_ptr<ByteStream> gzip_stream(std::unique_ptr<ByteStream> packed, std::string name);
/// The same of a zstd file's frames (RFC 8878), with windows of at most 128 MiB.
[[nodiscard]] std::unique_ptr<ByteStream> zstd_stream(std::unique_ptr<ByteStream> packed, std::string name);

}  // namespace cola
