#pragma once
#include <span>
#include <string>

#include "report/report_data.h"

namespace cola {

/// A plot as it goes into the page.
struct DrawnPlot {
  std::string name, heading, note;
  std::string svg;  ///< gnuplot's file
};

/// gnuplot's SVG as a file that follows the viewer's light or dark theme.
[[nodiscard]] std::string standalone_svg(const std::string& svg);

/// Everything of the page, in its order. Tables are HTML; the rest is not yet escaped.
struct ReportPage {
  std::string title, subtitle;
  std::vector<std::string> notes;
  std::vector<DrawnPlot> plots;
  std::string tables;
  std::vector<const RunReport*> configurations;
};

/// One HTML page that needs nothing outside itself.
[[nodiscard]] std::string html_page(const ReportPage& page);

}  // namespace cola
