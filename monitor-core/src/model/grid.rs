//! A plain text grid: one name column that gives way, further columns that align.
//!
//! Knows nothing of what it shows. Width is counted in characters.

use std::fmt::Write as _;

use super::text::cut_middle;

/// Characters in a line, at most.
pub(super) const WIDTH: usize = 120;

/// Space between two columns.
const GAP: usize = 2;
/// The name column is not made narrower than this while there is a column to give up.
const NAME_ROOM: usize = 28;
/// And never narrower than this.
const NAME_MINIMUM: usize = 8;

/// A column beside the name.
#[derive(Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    left: bool,
    /// 0: never given up; else the smaller, the sooner.
    given_up: u8,
}

impl Column {
    /// Aligned to the right, as numbers are.
    pub(super) const fn new(title: &'static str) -> Column {
        Column { title, left: false, given_up: 0 }
    }

    /// Aligned to the left, as words are.
    pub(super) const fn left(title: &'static str) -> Column {
        Column { left: true, ..Column::new(title) }
    }

    /// May be left out when the name needs its room.
    pub(super) const fn given_up(self, order: u8) -> Column {
        Column { given_up: order, ..self }
    }
}

/// Rows in groups; all groups share the columns and their widths.
pub(super) struct Grid<'a> {
    columns: &'a [Column],
    groups: Vec<(&'static str, Vec<Row>)>,
}

struct Row {
    name: String,
    cells: Vec<String>,
}

impl<'a> Grid<'a> {
    pub(super) fn new(columns: &'a [Column]) -> Grid<'a> {
        Grid { columns, groups: Vec::new() }
    }

    /// Begins a group, titled above its names.
    pub(super) fn group(&mut self, title: &'static str) {
        self.groups.push((title, Vec::new()));
    }

    /// Adds a row to the last group. A missing cell is blank.
    pub(super) fn row(&mut self, name: String, cells: Vec<String>) {
        if let Some((_, rows)) = self.groups.last_mut() {
            rows.push(Row { name, cells });
        }
    }

    /// Writes the groups, each after a blank line, in lines of at most `width` characters.
    pub(super) fn write(&self, text: &mut String, width: usize) {
        let (shown, name_width) = self.fit(width);
        let total = name_width + shown.iter().map(|&(_, width)| GAP + width).sum::<usize>();
        for (title, rows) in &self.groups {
            text.push('\n');
            let titles: Vec<_> = shown.iter().map(|&(at, _)| self.columns[at].title).collect();
            self.write_line(text, &cut_middle(title, name_width), name_width, &shown, &titles);
            let _ = writeln!(text, "{}", "─".repeat(total));
            for row in rows {
                let cells: Vec<_> = shown.iter().map(|&(at, _)| row.cell(at)).collect();
                self.write_line(text, &cut_middle(&row.name, name_width), name_width, &shown, &cells);
            }
        }
    }

    /// The columns to show with their widths, and the width of the names.
    fn fit(&self, width: usize) -> (Vec<(usize, usize)>, usize) {
        let rows = || self.groups.iter().flat_map(|(_, rows)| rows);
        let mut shown: Vec<(usize, usize)> = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let widest = rows().map(|row| length(row.cell(at))).max().unwrap_or(0);
            if widest > 0 {
                shown.push((at, widest.max(length(column.title))));
            }
        }
        let titles = self.groups.iter().map(|(title, _)| length(title));
        let longest = rows().map(|row| length(&row.name)).chain(titles).max().unwrap_or(0);
        let room =
            |shown: &[(usize, usize)]| width.saturating_sub(shown.iter().map(|&(_, width)| GAP + width).sum::<usize>());
        while room(&shown) < longest.min(NAME_ROOM) {
            let next = shown.iter().enumerate().filter(|(_, (at, _))| self.columns[*at].given_up > 0);
            let Some((next, _)) = next.min_by_key(|(_, (at, _))| self.columns[*at].given_up) else { break };
            shown.remove(next);
        }
        // Cells of absurd width, such as counts of twenty digits: the last columns go rather than the lines wrap.
        while room(&shown) < longest.min(NAME_MINIMUM) && shown.pop().is_some() {}
        let name_width = longest.min(room(&shown));
        (shown, name_width)
    }

    fn write_line(&self, text: &mut String, name: &str, name_width: usize, shown: &[(usize, usize)], cells: &[&str]) {
        let mut line = format!("{name:<name_width$}");
        for (&(at, width), cell) in shown.iter().zip(cells) {
            line.push_str("  ");
            // Formatting a string into a width counts characters, as `length` does.
            let _ = if self.columns[at].left { write!(line, "{cell:<width$}") } else { write!(line, "{cell:>width$}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

impl Row {
    fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", String::as_str)
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(columns: &[Column], rows: &[(&str, &[&str])], width: usize) -> String {
        let mut grid = Grid::new(columns);
        grid.group("name");
        for (name, cells) in rows {
            grid.row((*name).to_owned(), cells.iter().map(ToString::to_string).collect());
        }
        let mut text = String::new();
        grid.write(&mut text, width);
        text
    }

    #[test]
    fn numbers_end_and_words_begin_in_one_column() {
        let columns = [Column::new("n"), Column::left("where")];
        let text = written(&columns, &[("a", &["7", "main"]), ("böse", &["1,234", "w"])], 80);
        assert_eq!(text, "\nname      n  where\n──────────────────\na         7  main\nböse  1,234  w\n");
    }

    #[test]
    fn a_column_without_content_is_left_out() {
        let columns = [Column::new("failed"), Column::new("n")];
        assert!(!written(&columns, &[("a", &["", "7"]), ("b", &[""])], 80).contains("failed"));
    }

    #[test]
    fn long_names_take_the_room_of_columns_that_may_go_and_are_cut_after_that() {
        let columns = [Column::new("soon").given_up(1), Column::new("later").given_up(2), Column::new("never")];
        let name = "n".repeat(60);
        let roomy = written(&columns, &[(&name, &["1", "2", "3"])], 28 + 7 + 7);
        assert!(!roomy.contains("soon") && roomy.contains("later") && roomy.contains('…'), "{roomy}");
        let tight = written(&columns, &[(&name, &["1", "2", "3"])], 30);
        assert!(!tight.contains("later") && tight.contains("never"), "{tight}");
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let columns = [Column::new("a"), Column::left("b"), Column::new("c").given_up(1)];
        let long = "x".repeat(50);
        for width in [20, 40, 60, 120] {
            let text = written(&columns, &[(&long, &[&long, &long, &long]), ("y", &["1"])], width);
            assert!(text.lines().all(|line| length(line) <= width), "{width}: {text}");
        }
    }
}
