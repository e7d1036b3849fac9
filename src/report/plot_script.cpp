#include "report/plot_script.h"

#include <fmt/format.h>

#include <charconv>

#include "report/report_text.h"

namespace cola {
namespace {

constexpr std::string_view begin_mark = "QXT", end_mark = "TXQ";
constexpr int plot_height = 300, legend_line = 20, axis_height = 62;
constexpr double legend_width = 33.0;  // in units of the font's size: the plot less sign and margin

/// Left, right, bottom and top of the area of data, in pixels from the lower left corner.
std::string frame_text(int height, int left, int right, int bottom, int top) {
  const auto share = [](int pixels, int of) { return static_cast<double>(pixels) / of; };
  return fmt::format(
      "set terminal svg noenhanced size {0},{1} font 'sans-serif,14'\nset encoding utf8\n"
      "set lmargin at screen {2:.6f}\nset rmargin at screen {3:.6f}\n"
      "set bmargin at screen {4:.6f}\nset tmargin at screen {5:.6f}\n"
      "set grid lc rgb '#888888' lw 0.5\nset tics nomirror\nset pointintervalbox 0\nunset key\n",
      plot_width, height, share(left, plot_width), share(right, plot_width), share(bottom, height),
      share(top, height));
}

}  // namespace

std::string PlotScript::text(std::string line) {
  texts_.push_back(std::move(line));
  return fmt::format("'{}{}{}'", begin_mark, texts_.size() - 1, end_mark);
}

void PlotScript::add(const std::string& command) {
  commands_ += (commands_.empty() ? "plot " : ", \\\n  ") + command + " notitle";
}

void PlotScript::add_to_legend(const std::string& colour, bool dot, const std::string& name) {
  legend_.push_back({colour, dot, wrapped(name, legend_width)});
  legend_lines_ += static_cast<int>(legend_.back().lines.size());
}

// gnuplot's own legend takes as many columns as it likes, whose names then cover each other.
void PlotScript::draw_legend(int height) {
  int from_top = 0;
  for (const LegendEntry& entry : legend_) {
    for (std::size_t i = 0; i < entry.lines.size(); ++i, ++from_top) {
      const double y = ((legend_lines_ - from_top) * legend_line - 8.0) / height;
      set(fmt::format("set label {} at screen 0.09, screen {:.6f} left font ',{}'", text(entry.lines[i]), y,
                      plot_font_size));
      if (i > 0) continue;
      set(fmt::format(
          "set arrow from screen 0.015, screen {0:.6f} to screen 0.075, screen {0:.6f} nohead lw 1.8 "
          "lc rgb '{1}'",
          y, entry.colour));
      if (entry.dot)
        set(fmt::format("set label '' at screen 0.045, screen {:.6f} point pt 7 ps 0.6 lc rgb '{}'", y,
                        entry.colour));
    }
  }
}

std::string PlotScript::data(const std::string& lines) {
  std::string name = fmt::format("$data{}", blocks_++);
  data_ += fmt::format("{} << EOD\n{}EOD\n", name, lines);
  return name;
}

void PlotScript::set(const std::string& statement) { settings_ += statement + "\n"; }

ReportPlot PlotScript::plot(const std::string& frame) {
  ReportPlot made;
  made.script = frame + settings_ + data_ + commands_ + "\n";
  made.texts = std::move(texts_);
  return made;
}

ReportPlot PlotScript::finish(const std::string& x_label, const std::string& y_label) {
  const int legend = legend_lines_ * legend_line + 8, height = plot_height + legend;
  draw_legend(height);
  return plot(frame_text(height, 74, plot_width - 20, legend + axis_height, height - 12) +
              fmt::format("set border 3\nset xlabel '{}' offset 0,0.4\nset ylabel '{}' offset 1,0\n", x_label,
                          y_label));
}

ReportPlot PlotScript::finish_wide(const std::string& x_label, int height) {
  return plot(frame_text(height + axis_height + 8, 16, plot_width - 16, axis_height, height + axis_height) +
              fmt::format("set border 1\nunset ytics\nset xlabel '{}' offset 0,0.4\n", x_label));
}

std::string with_texts(const std::string& svg, const std::vector<std::string>& texts) {
  std::string filled;
  std::size_t done = 0;
  for (std::size_t at = svg.find(begin_mark); at != std::string::npos; at = svg.find(begin_mark, done)) {
    std::size_t index = 0;
    const char* const first = svg.data() + at + begin_mark.size();
    const auto [last, failure] = std::from_chars(first, svg.data() + svg.size(), index);
    const auto after = static_cast<std::size_t>(last - svg.data());
    if (failure == std::errc() && index < texts.size() &&
        svg.compare(after, end_mark.size(), end_mark) == 0) {
      filled += svg.substr(done, at - done) + html_escaped(texts[index]);
      done = after + end_mark.size();
    } else {
      filled += svg.substr(done, at + 1 - done);
      done = at + 1;
    }
  }
  return filled + svg.substr(done);
}

}  // namespace cola
