//! Plain tables for people.

use comfy_table::{CellAlignment, ContentArrangement, Table};

/// A table with these headings, without lines: easy to read, and to cut with other tools.
#[must_use]
pub fn table<'a>(headings: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    table
}

/// The table as text, its columns from `numbers` on aligned to the right, without spaces at the ends of lines.
#[must_use]
pub fn rendered(mut table: Table, numbers: std::ops::Range<usize>) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}
