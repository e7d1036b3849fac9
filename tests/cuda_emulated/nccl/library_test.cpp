// The NCCL of this machine, if it has one: no device is needed to load it.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "backend/cuda/nccl_api.h"
#include "core/error.h"

namespace cola::ops::cuda {
namespace {

TEST(NcclLibrary, HasWhatIsLookedUpOrIsAskedFor) {
  if (dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL) != nullptr) {
    const nccl::Api& api = nccl::api();
    EXPECT_STRNE(api.get_error_string(nccl::Result::invalid_usage), "");
    EXPECT_STREQ(api.get_last_error(nullptr), "");
    nccl::Result state = nccl::Result::success;
    EXPECT_NE(api.comm_get_async_error(nullptr, &state), nccl::Result::success);
    return;
  }
  try {
    (void)nccl::api();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("install NCCL 2.14 or later"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace cola::ops::cuda
