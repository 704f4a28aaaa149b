#include "format/full_image_format.h"

namespace tailrace {
namespace {

Result<std::unique_ptr<MessageFormat>> create_default(const Options& options) { return FullImageFormat::create(options, false); }

}  // namespace

extern const FormatInfo tailrace_format_default;
const FormatInfo tailrace_format_default{"default", "full images before and after, with metadata", kFullImageOptions, &create_default};

}  // namespace tailrace
