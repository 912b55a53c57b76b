use super::*;

fn entry(date: &str, id: u64) -> Entry {
    Entry::of(ReleaseDate::parse(date).unwrap(), MovieId::try_from(id).unwrap())
}

/// Entries of consecutive years from 1900 on, one for each number.
fn years(numbers: std::ops::Range<u64>) -> Vec<Entry> {
    numbers
        .map(|n| entry(&format!("{}-01-01", 1900 + n), n + 1))
        .collect()
}

/// A list of these entries with this floor.
fn listed(entries: &[Entry], floor: Floor) -> Newest {
    Newest {
        listed: Some((Entries(entries.iter().cloned().collect()), floor)),
        fill: 0,
    }
}

fn add(newest: &Newest, entry: &Entry) -> NewestChange {
    NewestChange::plan(Known::Newest(newest), std::slice::from_ref(entry), &[], None)
}

#[test]
fn entries_are_ordered_by_date_and_then_by_id() {
    let ordered = [
        entry("1870-01-01", 9_999_999_999),
        entry("1999-12-31", 2),
        entry("1999-12-31", 10),
        entry("2000-01-01", 1),
        entry("9999-12-31", 1),
    ];
    assert!(ordered.is_sorted());
    assert_eq!(ordered[2].to_string(), "199912310000000010");
    assert_eq!(ordered[0].movie().unwrap().get(), 9_999_999_999);
    assert_eq!(
        Entry::of_date("1999-12-31", MovieId::try_from(10).unwrap()),
        ordered[2]
    );
    assert!(ordered.iter().all(|entry| Floor::lowest().covers(entry)));
    for malformed in ["", "123456789", "1999123100000000x0"] {
        assert!(Entry(malformed.to_owned()).movie().is_err(), "{malformed}");
    }
}

#[test]
fn the_latest_movies_are_known_if_enough_are_above_the_floor_or_all_are_listed() {
    let seven = years(0..7);
    let ids = |newest: &Newest, movies| {
        let latest = newest.latest(5, movies).unwrap();
        latest.map(|ids| ids.iter().map(|id| id.get()).collect::<Vec<_>>())
    };
    let latest = Some(vec![7, 6, 5, 4, 3]);
    // Of many movies, the fifth newest must be above the floor.
    assert_eq!(ids(&listed(&seven, Floor::at(&seven[2])), 99), latest);
    assert_eq!(ids(&listed(&seven, Floor::at(&seven[3])), 99), None);
    // As many entries as movies are all movies.
    assert_eq!(ids(&listed(&seven, Floor::at(&seven[6])), 7), latest);
    assert_eq!(
        ids(&listed(&seven[..2], Floor::at(&seven[6])), 2),
        Some(vec![2, 1])
    );
    assert_eq!(ids(&listed(&seven[..2], Floor::lowest()), 3), None);
    // While a refill is in progress, only the number counts.
    let refilling = Newest {
        fill: 1,
        ..listed(&seven, Floor::lowest())
    };
    assert_eq!((ids(&refilling, 99), ids(&refilling, 7)), (None, latest));
    // An item of an earlier version.
    assert_eq!(ids(&Newest::default(), 7), None);
}

#[test]
fn a_list_that_grows_too_long_is_cut_to_the_newest() {
    let all = years(0..TRIM_ABOVE as u64 + 1);
    let (last, others) = all.split_last().unwrap();
    let full = listed(others, Floor::lowest());
    let change = add(&full, last);
    let kept = &all[all.len() - KEPT..];
    assert_eq!(change.apply(&full), listed(kept, Floor::at(&kept[0])));
    assert_eq!(change.guards, 0, "there is room in any case");
    let text = change.update(1).text().to_owned();
    assert!(text.starts_with("SET #newest.#192001010000000021 = :in, #floor = :floor REMOVE #newest.#"));
    assert!(text.ends_with("ADD #n :movies"), "{text}");

    // One entry less is no reason to cut.
    let shorter = listed(&others[1..], Floor::lowest());
    assert_eq!(add(&shorter, last).trimmed, []);
    // An older movie than those that are kept isn't listed.
    let old = entry("1899-01-01", 99);
    let change = add(&full, &old);
    assert_eq!((&change.enter[..], &change.outside), (&[][..], &None));
    let kept = &others[others.len() - KEPT..];
    assert_eq!(change.apply(&full), listed(kept, Floor::at(&kept[0])));
}

#[test]
fn a_movie_below_the_floor_stays_outside_under_the_condition_that_it_is_below() {
    let entries = years(5..15);
    let newest = listed(&entries, Floor::at(&entries[0]));
    let below = entry("1900-06-01", 77);
    let change = add(&newest, &below);
    assert_eq!(change.apply(&newest), newest);
    let condition = change.update(1).condition().unwrap();
    assert_eq!(condition, "attribute_exists(#newest) AND #floor > :outside");
    // At the floor it is listed.
    let at_floor = Floor::at(&entries[0]);
    assert!(at_floor.covers(&entries[0]) && !at_floor.covers(&below));
    let condition = add(&newest, &entry("1920-01-01", 3)).update(1).condition();
    assert_eq!(condition.unwrap(), "size(#newest) <= :room");
}

#[test]
fn a_full_list_takes_an_entry_only_for_one_that_is_still_there() {
    let all = years(0..MOST as u64 + 1);
    let (last, others) = all.split_last().unwrap();
    let change = add(&listed(others, Floor::lowest()), last);
    let condition = change.update(1).condition().unwrap();
    assert_eq!(
        condition,
        "size(#newest) <= :room AND attribute_exists(#newest.#190001010000000001) AND #floor <= :floor"
    );
    assert_eq!(change.update(1).values().unwrap()[":room"], number(MOST));
}

#[test]
fn a_moved_movie_changes_only_its_own_entries() {
    let [old, new] = [entry("2001-01-01", 7), entry("2002-01-01", 7)].map(|entry| vec![entry]);
    let change = NewestChange::plan(Known::Nothing, &new, &old, None);
    let update = change.update(0);
    assert_eq!(
        update.text(),
        "SET #newest.#200201010000000007 = :in REMOVE #newest.#200101010000000007 ADD #n :movies"
    );
    assert_eq!(update.condition().unwrap(), "size(#newest) <= :room");
    assert_eq!(update.values().unwrap()[":room"], number(MOST - 1));
    // In an item of an earlier version there is nothing to change. The condition says that it still is one.
    let change = NewestChange::plan(Known::Newest(&Newest::default()), &new, &old, None);
    assert_eq!(change.update(0).text(), "ADD #n :movies");
    let condition = change.update(0).condition().unwrap();
    assert_eq!(
        condition,
        "attribute_exists(#pk) AND attribute_not_exists(#newest)"
    );
}

#[test]
fn a_refill_cuts_the_list_to_the_floor_above_which_it_read_every_movie() {
    let entries = years(0..10);
    let newest = Newest {
        fill: 3,
        ..listed(&entries[8..], Floor::lowest())
    };
    let floor = Floor::at(&entries[4]);
    let read = &entries[4..9];
    let change = NewestChange::plan(Known::Newest(&newest), read, &[], Some(&floor)).ending(3);
    assert_eq!(change.entering(), &entries[4..8], "those that are missing");
    let after = change.apply(&newest);
    assert_eq!(after.listed, listed(&entries[4..], floor).listed);
    let update = change.update(0);
    assert!(update.text().contains("#floor = :floor, #fill = :ended"));
    assert!(
        update
            .condition()
            .unwrap()
            .ends_with("#floor <= :floor AND #fill = :fill")
    );
    let values = update.values().unwrap();
    assert_eq!((&values[":fill"], &values[":ended"]), (&number(3), &number(4)));
}
