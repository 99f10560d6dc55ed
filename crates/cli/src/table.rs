//! Tables for people: no frame, one line under the heading, figures to the right, as wide as the terminal.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, Width, presets,
};

/// Texts wrap no narrower than this, the width of a date, and two for the gap.
const TEXT_WIDTH: u16 = 12;

/// The heading of a column, and what stands under it.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Words, to the left. Where the terminal is narrow, they wrap.
    Text(&'static str),
    /// A single word, to the left, never broken.
    Word(&'static str),
    /// Figures, to the right.
    Figure(&'static str),
}

/// A table of rows. A column that nothing stands in is left out.
pub fn rows(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let is_blank =
        |index: usize| rows.iter().all(|row| row.get(index).is_none_or(String::is_empty));
    let kept: Vec<(usize, Column)> = columns
        .iter()
        .copied()
        .enumerate()
        .filter(|(index, _)| rows.is_empty() || !is_blank(*index))
        .collect();
    let headings = kept.iter().map(|(_, column)| match column {
        Column::Text(heading) | Column::Word(heading) | Column::Figure(heading) => *heading,
    });
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING.header_separator(line))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings)
        .add_rows(rows.iter().map(|row| kept.iter().filter_map(|(index, _)| row.get(*index))));
    for (column, (_, heading)) in table.column_iter_mut().zip(&kept) {
        // The line's junctions add one more.
        column.set_padding((0, 1));
        match heading {
            Column::Text(_) => {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(TEXT_WIDTH)));
            }
            Column::Word(_) => {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            Column::Figure(_) => {
                column.set_cell_alignment(CellAlignment::Right);
                // A figure that breaks across lines is two other figures.
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.trim_fmt()
}

/// Nothing for zero, so that a column of zeros is left out.
pub fn unless_zero(amount: &str) -> String {
    if amount == "0" { String::new() } else { amount.to_owned() }
}

/// One thing, a line for each of its fields. Fields with nothing to say are left out.
pub fn record(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .add_rows(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| vec![name.to_owned(), value]),
        );
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right() {
        let columns = [Column::Figure("amount"), Column::Word("category")];
        let lines = [("7", "monthly"), ("1200.5", "paid")];
        let table =
            rows(&columns, lines.map(|(amount, name)| vec![amount.to_owned(), name.to_owned()]));
        let expected = "\
amount  category
─────────────────
     7  monthly
1200.5  paid";
        assert_eq!(table, expected);
    }

    #[test]
    fn columns_with_nothing_in_them_are_left_out() {
        let columns = [Column::Word("operation"), Column::Figure("amount")];
        assert_eq!(
            rows(&columns, [vec![String::new(), "7".to_owned()]]),
            "amount\n───────\n     7"
        );
        assert!(rows(&columns, []).starts_with("operation  amount"));
    }

    #[test]
    fn a_record_leaves_empty_fields_out() {
        let fields = [("account", "org:42".to_owned()), ("reason", String::new())];
        assert_eq!(record(fields), "account  org:42");
    }
}
