use std::io::Read;

use super::*;

/// Reads a byte at a time, so that every place is the end of what was read.
struct Slowly<'a>(&'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1);
        self.0.read(&mut buffer[..count])
    }
}

fn read(text: &[u8], fields: usize) -> Vec<(u64, String, Option<Fault>)> {
    read_ending(text, fields, None)
}

/// Reads records whose header ends with `end`.
fn read_ending(text: &[u8], fields: usize, end: Option<u8>) -> Vec<(u64, String, Option<Fault>)> {
    let syntax = Syntax::Csv {
        delimiter: b',',
        fields: Some(fields),
        end,
    };
    let mut all = Vec::new();
    let mut records = Records::new(Slowly(text), syntax);
    while let Some(record) = records.next().unwrap() {
        let text = String::from_utf8_lossy(record.bytes).into_owned();
        all.push((record.line, text, record.fault));
    }
    all
}

fn good(line: u64, text: &str) -> (u64, String, Option<Fault>) {
    (line, text.to_owned(), None)
}

#[test]
fn lines_are_counted_with_every_line_end_blank_line_and_quoted_line_break() {
    for end in ["\n", "\r\n", "\r"] {
        let text = "a,b\n\nc,\"d\nd\"\n \n,\n\ne,f".replace('\n', end);
        let quoted = "c,\"d\nd\"".replace('\n', end);
        let expected = [good(1, "a,b"), good(3, &quoted), good(8, "e,f")];
        assert_eq!(read(text.as_bytes(), 2), expected, "{end:?}");
    }
    let mixed = b"a,b\r\nc,d\re,f\n\r\ng,h\r\r\ni,j";
    let lines: Vec<u64> = read(mixed, 2).into_iter().map(|(line, ..)| line).collect();
    assert_eq!(lines, [1, 2, 3, 5, 7]);
}

#[test]
fn the_line_end_that_the_header_does_not_have_is_text_where_only_then_the_fields_are_as_many() {
    for (end, other) in [(b'\n', '\r'), (b'\r', '\n')] {
        let read = |text: &str| {
            let text = text.replace('\n', "E").replace('\r', &other.to_string());
            let text = text.replace('E', &char::from(end).to_string());
            let read = read_ending(text.as_bytes(), 2, Some(end));
            read.into_iter()
                .map(|(line, text, fault)| (line, text.replace(other, "_"), fault))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read("a\rb,c\nd,e\r\rf\n\"g\rh\"\r,\"i\"\nj,k\r\nl,m"),
            [
                good(1, "a_b,c"),
                good(3, "d,e__f"),
                good(6, "\"g_h\"_,\"i\""),
                good(9, if other == '\r' { "j,k" } else { "j,k_" }),
                good(if other == '\r' { 10 } else { 11 }, "l,m"),
            ]
        );
        // Mixed line ends stay line ends, and a bad row loses no other.
        assert_eq!(
            read("a,b\rc,d\ne\rf,g\rh,i\n"),
            [
                good(1, "a,b"),
                good(2, "c,d"),
                (3, "e".to_owned(), Some(Fault::Fields(1))),
                good(4, "f,g"),
                good(5, "h,i"),
            ]
        );
        let long = format!("a{}b,c\nd,e", "\r".repeat(MAX_JOINED));
        assert_eq!(read(&long).last(), Some(&good(MAX_JOINED as u64 + 2, "d,e")));
    }
}

#[test]
fn quotes_are_read_as_pythons_csv_reads_them() {
    for record in [
        r#""a,b",c"#,
        r#""a ""b"" c",d"#,
        r#"a "b" c,d"#,
        r#""a" b,c"#,
        r#""","#,
        r#"a,"""""#,
        r#"a, "b"#,
    ] {
        assert_eq!(
            read(format!("{record}\nx,y").as_bytes(), 2),
            [good(1, record), good(2, "x,y")]
        );
    }
}

#[test]
fn a_quote_that_is_never_closed_loses_its_own_line_only() {
    for bad in ["\"a,b", "a,\"b", "a,\"b\"\"", "a\",\"b"] {
        for rest in [
            "c,d\ne,f\n",
            "c,\"d\"\ne,f\n",
            "\"c\",d\n\"e\",f",
            "c,\"d\nd\"\ne,\"f,\"\n",
            "c,\"d\"\"\"\ne,\"\"\n",
            "c,d\"\"d\ne\"\",f\n",
        ] {
            let all = read(format!("{bad}\n{rest}").as_bytes(), 2);
            assert_eq!(
                all[0],
                (1, bad.to_owned(), Some(Fault::NeverClosed(1))),
                "{bad} {rest}"
            );
            assert_eq!(all.len(), 3, "{bad} {rest} {all:?}");
            assert!(all[1..].iter().all(|(.., fault)| fault.is_none()), "{all:?}");
            assert_eq!(all[1].0, 2);
        }
    }
}

#[test]
fn a_quote_that_is_open_at_the_end_is_reported_where_it_opened() {
    assert_eq!(
        read(b"a,b\n\"c\nc\",\"d\nd", 2),
        [
            good(1, "a,b"),
            (2, "\"c\nc\",\"d\nd".to_owned(), Some(Fault::NeverClosed(3)))
        ]
    );
}

#[test]
fn a_record_with_another_number_of_fields_is_one_record() {
    assert_eq!(
        read(b"a,\"b\nb\",c\nd,e", 2),
        [
            (1, "a,\"b\nb\",c".to_owned(), Some(Fault::Fields(3))),
            good(3, "d,e")
        ]
    );
}

#[test]
fn a_quote_that_another_row_closes_by_chance_loses_its_own_line_only() {
    let all = read(b"a,\"b\nc,d\ne,\",\"\nf,g", 2);
    assert_eq!(all[0].2, Some(Fault::NeverClosed(1)));
    assert_eq!(all[1..], [good(2, "c,d"), good(3, "e,\",\""), good(4, "f,g")]);
}

#[test]
fn a_record_that_is_too_long_loses_no_other() {
    let long = "x".repeat(3 * MAX_RECORD);
    for bad in [
        format!("a,{long}"),
        format!("a,\"{long}\""),
        format!("a,\"{long}"),
    ] {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("{bad}{end}c,d{end}");
            let syntax = Syntax::Csv {
                delimiter: b',',
                fields: Some(2),
                end: None,
            };
            let mut records = Records::new(text.as_bytes(), syntax);
            let first = records.next().unwrap().unwrap();
            assert_eq!((first.line, first.fault), (1, Some(Fault::TooLong)));
            let second = records.next().unwrap().unwrap();
            assert_eq!((second.line, second.bytes, second.fault), (2, &b"c,d"[..], None));
            assert!(records.next().unwrap().is_none());
        }
    }
}

#[test]
fn a_quote_that_is_not_closed_within_the_longest_record_is_never_closed() {
    let rows = "c,d\n".repeat(MAX_RECORD / 2);
    let text = format!("a,\"b\n{rows}");
    let all = read_fast(text.as_bytes());
    assert_eq!(
        (all.len(), all[0].1),
        (1 + MAX_RECORD / 2, Some(Fault::NeverClosed(1)))
    );
    assert!(all[1..].iter().all(|(_, fault)| fault.is_none()));
}

fn read_fast(text: &[u8]) -> Vec<(u64, Option<Fault>)> {
    let syntax = Syntax::Csv {
        delimiter: b',',
        fields: Some(2),
        end: None,
    };
    let mut all = Vec::new();
    let mut records = Records::new(text, syntax);
    while let Some(record) = records.next().unwrap() {
        all.push((record.line, record.fault));
    }
    all
}
