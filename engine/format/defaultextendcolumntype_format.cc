#include "format/full_image_format.h"

namespace tailrace {
namespace {

Result<std::unique_ptr<MessageFormat>> create_extended(const Options& options) { return FullImageFormat::create(options, true); }

}  // namespace

extern const FormatInfo tailrace_format_defaultextendcolumntype;
const FormatInfo tailrace_format_defaultextendcolumntype{"defaultextendcolumntype", "Default with the type of every column",
                                                         kFullImageOptions, &create_extended};

}  // namespace tailrace
