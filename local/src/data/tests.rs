use super::*;

/// A directory with these files and their contents.
fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn texts(directory: &Path) -> String {
    fs::read_to_string(directory.join(SECRETS)).unwrap()
}

#[test]
fn a_new_table_never_replaces_one_that_another_process_has_created() {
    let directory = with(&[("first-start", "")]);
    let data = Data::with_table(directory.path()).unwrap();
    let new = data.new_table().unwrap().unwrap();
    fs::write(&new, "ours").unwrap();
    fs::write(data.table(), "theirs").unwrap();
    data.adopt_table(&new).unwrap();
    assert_eq!(fs::read_to_string(data.table()).unwrap(), "theirs");
    assert_eq!(data.new_table().unwrap(), None);

    // An empty file is no table, and what belonged to an earlier table isn't kept.
    fs::write(data.table(), "").unwrap();
    fs::write(directory.path().join("table.sqlite-wal"), "theirs").unwrap();
    let new = data.new_table().unwrap().unwrap();
    fs::write(&new, "ours").unwrap();
    data.adopt_table(&new).unwrap();
    assert_eq!(fs::read_to_string(data.table()).unwrap(), "ours");
    assert_eq!(names(directory.path()), [UNFINISHED, TABLE]);
}

#[tokio::test]
async fn one_process_at_a_time_creates_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let [one, other] = [(); 2].map(|()| Data::with_table(path).unwrap());
    let turn = one.turn().await.unwrap();
    let mut waiting = Box::pin(other.turn());
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let new = one.new_table().unwrap().unwrap();
    fs::write(&new, "a table").unwrap();
    one.adopt_table(&new).unwrap();
    one.secrets().unwrap();
    // Nothing is created in a complete directory.
    Data::with_table(path).unwrap().turn().await.unwrap();
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(turn);
    let _turn = waiting.await.unwrap();
    assert_eq!(other.new_table().unwrap(), None);

    // Empty secrets are replaced, by one process at a time as well.
    fs::write(path.join(SECRETS), "").unwrap();
    let [one, other] = [(); 2].map(|()| Data::with_table(path).unwrap());
    let _turn = one.turn().await.unwrap();
    assert!(futures_util::poll!(Box::pin(other.turn())).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_first_start_that_does_not_end_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::with_table(directory.path()).unwrap();
    let _turn = data.turn().await.unwrap();
    let text = data.turn().await.unwrap_err().to_string();
    assert!(
        text.contains("first-start") && text.contains("another process") && text.contains("--data"),
        "{text}"
    );
}

#[test]
fn a_new_table_has_the_space_of_those_that_were_not_finished() {
    let left = [
        ("table.sqlite.4294967295", "a"),
        ("table.sqlite.4294967295-wal", "b"),
    ];
    let directory = with(&left);
    let new = Data::with_table(directory.path()).unwrap().new_table().unwrap();
    assert_eq!(new.unwrap().parent(), Some(directory.path()));
    assert_eq!(names(directory.path()), [UNFINISHED]);
}

#[test]
fn files_that_a_killed_first_start_left_behind_are_recognized() {
    for name in [
        "secrets.json.7",
        "table.sqlite.7",
        "table.sqlite.7-wal",
        "table.sqlite.7-shm",
    ] {
        assert!(is_leftover(name), "{name}");
    }
    for name in [
        "secrets.json",
        "table.sqlite",
        "table.sqlite-wal",
        "table.sqlite.",
        "table.sqlite.7x",
        "x.7",
    ] {
        assert!(!is_leftover(name), "{name}");
    }
}

#[test]
fn new_secrets_that_a_killed_process_left_behind_are_removed() {
    let directory = with(&[
        ("secrets.json.4294967295", "{}"),
        ("secrets.json.old", "kept"),
        ("first-start", ""),
    ]);
    Data::with_table(directory.path()).unwrap().secrets().unwrap();
    assert_eq!(names(directory.path()), ["secrets.json", "secrets.json.old"]);
}

#[test]
fn a_first_start_that_is_interrupted_anywhere_continues() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    Data::with_table(path).unwrap();
    assert_eq!(names(path), [UNFINISHED]);
    // Interrupted before the table existed, while it was created, and before the secrets existed.
    Data::with_table(path).unwrap();
    fs::write(path.join(TABLE), "").unwrap();
    Data::with_table(path).unwrap();
    fs::write(path.join(TABLE), "a table").unwrap();
    Data::secrets_only(path).unwrap();
    let data = Data::with_table(path).unwrap();
    data.secrets().unwrap();
    assert_eq!(names(path), [SECRETS, TABLE]);
    // Interrupted before the file `first-start` was removed.
    let made = texts(path);
    fs::write(path.join(UNFINISHED), "").unwrap();
    Data::with_table(path).unwrap().secrets().unwrap();
    assert_eq!(names(path), [SECRETS, TABLE]);
    assert_eq!(texts(path), made);
}

#[test]
fn two_first_starts_at_once_have_the_same_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (one, other) = (Data::with_table(path).unwrap(), Data::with_table(path).unwrap());
    fs::write(path.join(TABLE), "a table").unwrap();
    one.secrets().unwrap();
    let made = texts(path);
    other.secrets().unwrap();
    assert_eq!(texts(path), made);
}

#[test]
fn a_table_without_its_secrets_is_refused_wherever_the_table_is_to_be() {
    let directory = with(&[(TABLE, "a table")]);
    let path = directory.path();
    for error in [
        Data::with_table(path).unwrap_err(),
        Data::secrets_only(path).unwrap_err(),
    ] {
        assert!(matches!(error, DataError::NoSecrets(_)));
        let text = error.to_string();
        assert!(text.contains("touch") && text.contains("--data"), "{text}");
    }
    assert_eq!(names(path), [TABLE]);
}

#[test]
fn secrets_without_their_table_are_refused_unless_the_table_is_elsewhere() {
    for files in [&[(SECRETS, "{}")][..], &[(SECRETS, "{}"), (TABLE, "")]] {
        let directory = with(files);
        let error = Data::with_table(directory.path()).unwrap_err();
        assert!(matches!(error, DataError::NoTable(_)));
        let text = error.to_string();
        assert!(text.contains("restore") && text.contains("--dynamodb"), "{text}");
        assert_eq!(names(directory.path()).len(), files.len());
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    Data::secrets_only(path).unwrap().secrets().unwrap();
    let made = texts(path);
    assert_eq!(names(path), [SECRETS]);
    Data::secrets_only(path).unwrap().secrets().unwrap();
    assert_eq!(texts(path), made);
    assert!(matches!(
        Data::with_table(path).unwrap_err(),
        DataError::NoTable(_)
    ));
}

#[test]
fn an_empty_file_in_place_of_lost_secrets_asks_for_new_ones() {
    let directory = with(&[(TABLE, "a table"), (SECRETS, "")]);
    let path = directory.path();
    Data::with_table(path).unwrap().secrets().unwrap();
    let made = texts(path);
    SecretTexts::from_json(&made).unwrap();
    Data::with_table(path).unwrap().secrets().unwrap();
    assert_eq!(texts(path), made);
}

#[test]
fn secrets_that_are_broken_are_named_and_not_shown() {
    let directory = with(&[(TABLE, "a table"), (SECRETS, "{\"signing\": \"confidential\"")]);
    let data = Data::with_table(directory.path()).unwrap();
    let text = data.secrets().unwrap_err().to_string();
    assert!(text.contains(SECRETS) && !text.contains("confidential"), "{text}");
}
