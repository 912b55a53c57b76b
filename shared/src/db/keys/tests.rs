use super::*;

#[test]
fn no_key_is_between_a_key_and_its_neighbors() {
    let keys = [
        "x#0000000000000009",
        "x#0000000000000010",
        "x#0000000000000011",
        "y#",
        "z#",
    ];
    for [one, two] in keys.array_windows() {
        assert!(after(one).as_str() > *one && after(one).as_str() <= *two, "{one}");
        assert!(
            before(two).as_str() < *two && before(two).as_str() >= *one,
            "{two}"
        );
    }
}

#[test]
fn the_neighbor_of_an_id_is_an_id() {
    assert_eq!(after("0000000000000009"), "0000000000000010");
    assert_eq!(before("0000000000000010"), "0000000000000009");
}

#[test]
fn an_exact_text_sorts_before_all_that_continue_it() {
    let mut keys = ["the-kid#1", "the-kid-brother#1", "the-kids#1", "the-k#1"];
    keys.sort_unstable();
    assert_eq!(keys, ["the-k#1", "the-kid#1", "the-kid-brother#1", "the-kids#1"]);
}

#[test]
fn the_largest_id_fits() {
    assert_eq!(id_text((1 << 53) - 1).len(), ID_DIGITS);
    assert_eq!(id_at_end("w#9007199254740991"), Some((1 << 53) - 1));
    assert_eq!(id_at_end("short"), None);
}

#[test]
fn a_partition_is_named_by_characters_not_bytes() {
    for (word, first) in [
        ("ὀδυ", "ὀδυ"),
        ("ab", "ab"),
        ("abcd", "abc"),
        ("기생충", "기생"),
        ("千a尋", "千a尋"),
    ] {
        assert_eq!(word_partition(word), format!("WORD#{first}"));
    }
}
