//! Ids, names, titles, colours and pictures.

use super::{ID_RULE, wrong_with};
use crate::PollDefinition;
use crate::fixtures::{PAREDAO, paredao_with, wrong};

#[test]
fn colours_and_pictures_are_checked() {
    let ana = |more: &str| {
        PAREDAO.replace(
            "{ id: ana, name: Ana }",
            &format!("{{ id: ana, name: Ana, {more} }}"),
        )
    };
    for color in [
        "red", "#12345", "#1234567", "#12345g", "112233", "", "#é1234",
    ] {
        assert_eq!(
            wrong(&ana(&format!("color: '{color}'"))),
            [format!(
                "candidates[0].color: must be `#rrggbb` in hexadecimal, is `{color}`"
            )]
        );
    }
    for url in [
        "ana.png",
        "ftp://a/b",
        "javascript:alert(1)",
        "//host/x",
        "https://",
        "https:///x",
        "https://user:secret@host/",
        "https://host:99999/",
        "https://ho st/",
        "https://host/a b",
        "https://host/\"><script>",
        "https://hôst/",
        "https://[]/",
        "https://a[b/",
    ] {
        let [error] = &wrong(&ana(&format!("image_url: '{url}'")))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("candidates[0].image_url: must "),
            "{error}"
        );
    }
    let long = format!("https://host/{}", "x".repeat(2036));
    assert!(
        wrong(&ana(&format!("image_url: '{long}'")))[0]
            .starts_with("candidates[0].image_url: must have at most 2048 characters, has 2049")
    );
    for url in [
        "https://host",
        "http://host:8080/a?b=c&d#e",
        "https://[::1]:80/",
        "https://a.b-c_d/%20",
        &long[..2048],
    ] {
        let file = ana(&format!("image_url: '{url}', color: '#aB09fF'"));
        let poll = PollDefinition::parse_yaml(&file).expect(url);
        assert_eq!(poll.candidates()[0].image_url.as_deref(), Some(url));
    }
    // In YAML an unquoted colour is a comment.
    let file = PAREDAO.replace(
        "{ id: ana, name: Ana }",
        "\n      id: ana\n      name: Ana\n      color: #aabbcc",
    );
    assert_eq!(wrong(&file), ["candidates[0].color: must not be null"]);
}

#[test]
fn ids_can_be_nothing_but_ids() {
    let long = "x".repeat(300);
    for (id, shown) in [
        ("../x", "`../x`".to_owned()),
        ("''", "``".to_owned()),
        (
            long.as_str(),
            format!("`{}…` (300 characters)", "x".repeat(40)),
        ),
        ("Paredao", "`Paredao`".to_owned()),
    ] {
        assert_eq!(
            wrong_with("id: paredao", &format!("id: {id}")),
            [format!("id: {ID_RULE}{shown}")]
        );
        assert_eq!(
            wrong(&PAREDAO.replace("id: bia", &format!("id: {id}"))),
            [format!("candidates[1].id: {ID_RULE}{shown}")]
        );
        assert_eq!(
            wrong(&PAREDAO.replace("id: unico", &format!("id: {id}"))),
            [format!("channels[1].id: {ID_RULE}{shown}")]
        );
    }
    assert_eq!(
        wrong_with("id: paredao", "id: 1"),
        ["id: must be a text (in quotes), is the number 1"]
    );
}

#[test]
fn titles_and_names_are_one_line_of_text() {
    for title in ["''", "'   '", &"x".repeat(201)] {
        let [error] = &wrong_with("title", &format!("title: {title}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("title: must have 1 to 200 characters, not all blank"),
            "{error}"
        );
    }
    assert_eq!(
        wrong_with("title", r#"title: "a\nb\0""#),
        [r"title: must not hold control characters, is `a\nb\u{0}`"]
    );
    assert_eq!(
        wrong(&PAREDAO.replace("name: Ana", &format!("name: {}", "é".repeat(101)))),
        ["candidates[0].name: must have 1 to 100 characters, not all blank; has 101"]
    );
    assert!(
        PollDefinition::parse_yaml(&paredao_with(
            "title",
            &format!("title: {}", "é".repeat(200))
        ))
        .is_ok()
    );
}

#[test]
fn a_name_shows_something_and_turns_no_text() {
    let named = |name: &str| PAREDAO.replace("name: Ana", &format!("name: \"{name}\""));
    for name in [r"\u200B", r"\u200D\uFE0F", r"\u3164", r"\u2800", r"\uFEFF"] {
        assert_eq!(
            wrong(&named(name)),
            ["candidates[0].name: must have a character that can be seen; has only invisible ones"],
            "{name}"
        );
    }
    for code in [
        "2028", "2029", "202E", "202A", "2066", "2069", "200F", "061C",
    ] {
        assert_eq!(
            wrong(&named(&format!(r"A\u{code}B"))),
            [format!(
                "candidates[0].name: must be one line, without marks of text direction; has U+{code}"
            )]
        );
    }
    for (name, read) in [
        (r" \u00A0Ana\u3000 ", "Ana"),
        ("👩\u{200d}🚀", "👩\u{200d}🚀"),
        ("❤\u{fe0f} Bia", "❤\u{fe0f} Bia"),
        ("עדן", "עדן"),
    ] {
        let poll = PollDefinition::parse_yaml(&named(name)).expect("the name is right");
        assert_eq!(poll.candidates()[0].name, read);
    }
}
