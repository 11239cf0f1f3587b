use crate::documents::feed_table::{Cell, Cells, FeedTable};

use super::{ALL, CSV, FLAT, FeedFormat, ROWS, XML};

/// A poll with a hostile name, and a blank row.
fn table() -> FeedTable<'static> {
    let name = |text: &'static str| ("name", Cell::Text(text.into()));
    let row = |text, votes| Cells(vec![name(text), ("votes", Cell::Count(votes))]);
    FeedTable {
        poll: Cells(vec![
            ("title", Cell::Text("Paredão \"1\"; é, <&>\u{ffff}".into())),
            ("on_air", Cell::Flag(true)),
        ]),
        rows: vec![row("D'Ávila, \"Zé\"", Some(7)), row("=1+2]]>", None)],
    }
}

fn written(format: &FeedFormat) -> String {
    let bytes = (format.write)(&table()).expect("written");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn each_has_its_own_name() {
    assert_eq!(
        ALL.map(|format| format.name),
        ["rows.json", "flat.json", "csv", "xml"]
    );
}

#[test]
fn rows_are_flat_objects_with_the_polls_fields_in_each() {
    assert_eq!(
        written(ROWS),
        "[{\"name\":\"D'Ávila, \\\"Zé\\\"\",\"votes\":7,\"title\":\"Paredão \\\"1\\\"; é, <&>\u{ffff}\",\"on_air\":true},\
         {\"name\":\"=1+2]]>\",\"votes\":null,\"title\":\"Paredão \\\"1\\\"; é, <&>\u{ffff}\",\"on_air\":true}]"
    );
}

#[test]
fn a_flat_object_has_the_row_in_each_name() {
    let json: serde_json::Value = serde_json::from_str(&written(FLAT)).expect("JSON");
    assert_eq!(json["rows"], 2);
    assert_eq!(json["c1_votes"], 7);
    assert_eq!(json["c2_name"], "=1+2]]>");
    assert!(json["c2_votes"].is_null() && json.get("c2_votes").is_some());
    let values = json.as_object().expect("an object").values();
    assert!(
        values
            .into_iter()
            .all(|value| !value.is_object() && !value.is_array())
    );
}

#[test]
fn a_table_quotes_what_has_to_be_and_changes_nothing() {
    assert_eq!(
        written(CSV),
        "name,votes,title,on_air\r\n\
         \"D'Ávila, \"\"Zé\"\"\",7,\"Paredão \"\"1\"\"; é, <&>\u{ffff}\",true\r\n\
         =1+2]]>,,\"Paredão \"\"1\"\"; é, <&>\u{ffff}\",true\r\n"
    );
}

#[test]
fn xml_has_every_value_twice_and_no_character_that_it_can_not_have() {
    assert_eq!(
        written(XML),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <results title=\"Paredão &quot;1&quot;; é, &lt;&amp;&gt;\u{fffd}\" on_air=\"true\">\
         <title>Paredão &quot;1&quot;; é, &lt;&amp;&gt;\u{fffd}</title><on_air>true</on_air>\
         <candidate name=\"D&apos;Ávila, &quot;Zé&quot;\" votes=\"7\">\
         <name>D&apos;Ávila, &quot;Zé&quot;</name><votes>7</votes></candidate>\
         <candidate name=\"=1+2]]&gt;\" votes=\"\"><name>=1+2]]&gt;</name><votes></votes></candidate></results>"
    );
}
