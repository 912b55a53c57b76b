//! Each message is provoked and read by `tests/machine/start.rs` where a test can provoke it. The others are here.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn listen(kind: ErrorKind) -> String {
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 3000);
    StartError::Listen(address, kind.into()).to_string()
}

#[test]
fn a_port_or_address_that_cannot_be_opened_is_named_with_its_option() {
    for (kind, option) in [
        (ErrorKind::AddrInUse, "--port"),
        (ErrorKind::PermissionDenied, "--port"),
        (ErrorKind::AddrNotAvailable, "--host"),
        (ErrorKind::OutOfMemory, "--port"),
    ] {
        let text = listen(kind);
        assert!(text.contains("127.0.0.1") && text.contains(option), "{text}");
    }
}

#[test]
fn each_fault_of_the_tables_file_is_named_with_the_file_and_the_way_out() {
    let storage = Storage::File(PathBuf::from("/data/table.sqlite"));
    let import = |reason: &str| StartError::Import {
        file: None,
        data: Some("/data".into()),
        reason: format!("import: the table: the engine: {reason}"),
    };
    for (reason, words) in [
        (
            "Internal error: database or disk is full",
            "the disk is full. Free some space",
        ),
        (
            "Internal error: disk I/O error",
            "the system can't read or write it. Check that its owner may read and write it and that its disk has free space",
        ),
        (
            "Internal error: attempt to write a readonly database",
            "it is read-only",
        ),
        (
            "Internal error: database is locked",
            "another program has locked it. End that program",
        ),
        (
            "Internal error: database disk image is malformed",
            "it is damaged or not a table of this program. Restore it",
        ),
    ] {
        let opened = StartError::from(EngineError::Open {
            storage: storage.clone(),
            reason: reason.to_owned(),
        });
        let used = StartError::Use(TablePlace::Data("/data".into()), reason.to_owned());
        for text in [opened.to_string(), used.to_string(), import(reason).to_string()] {
            assert!(
                text.contains("/data/table.sqlite") && text.contains(words),
                "{text}"
            );
            assert!(text.contains("--data") && !text.contains("Internal"), "{text}");
        }
    }
}

#[test]
fn an_error_of_the_system_is_in_words() {
    for (code, words) in [
        (2, "there is no such file or directory"),
        (13, "permission denied"),
        (28, "the disk is full"),
    ] {
        assert_eq!(reason(&io::Error::from_raw_os_error(code)), words);
    }
    // An error that isn't in the list has the system's text without its number.
    let text = reason(&io::Error::from_raw_os_error(24));
    assert!(
        text.starts_with("too many open files") && !text.contains("os error"),
        "{text}"
    );
}

#[test]
fn a_full_disk_asks_for_space_and_another_path_for_another_directory() {
    let at = |code| {
        let error = io::Error::from_raw_os_error(code);
        StartError::from(DataError::Io("/data/secrets.json".into(), error)).to_string()
    };
    assert_eq!(
        at(28),
        "/data/secrets.json can't be used: the disk is full. Free some space, or name a directory on another disk with \
         --data."
    );
    assert_eq!(
        at(13),
        "/data/secrets.json can't be used: permission denied. Name another directory with --data."
    );
}

#[test]
fn a_table_on_aws_or_with_other_keys_is_named() {
    let aws = StartError::Use(TablePlace::Aws("movies".into()), "GetItem: no region".into()).to_string();
    assert!(
        aws.contains("movies on AWS") && aws.contains("AWS_PROFILE"),
        "{aws}"
    );
    let different = TableError::Different {
        table: "movies".into(),
        reason: "its key isn't the declared one".into(),
    };
    let text = StartError::Table(TablePlace::Memory, different).to_string();
    assert!(text.contains("movies") && text.contains("--table"), "{text}");
    let text = StartError::Use(TablePlace::Memory, "no randomness".into()).to_string();
    assert_eq!(text, "the table in memory can't be used: no randomness.");
}

#[test]
fn a_table_of_another_version_is_named_with_both_layouts_and_the_way_out() {
    let newer = |place| StartError::Layout(place, LayoutError::Newer { version: 9 }).to_string();
    assert_eq!(
        newer(TablePlace::Data("/data".into())),
        "the table in /data/table.sqlite has layout 9, and this version of marquee knows layouts up to 5. Use the version of \
         marquee that made the table, or name another one with --data."
    );
    for (place, names) in [
        (
            TablePlace::Endpoint("http://127.0.0.1:8000".into()),
            ["at http://127.0.0.1:8000", "--dynamodb"],
        ),
        (TablePlace::Aws("movies".into()), ["movies on AWS", "--table"]),
        (TablePlace::Memory, ["in memory", "--data"]),
    ] {
        let text = newer(place);
        assert!(names.iter().all(|name| text.contains(name)), "{text}");
    }
    assert_eq!(
        StartError::Layout(TablePlace::Aws("movies".into()), LayoutError::Older).to_string(),
        "the table movies on AWS has the layout of an earlier version of marquee. Deploy this version, then run marquee \
         upgrade with the same options (docs/deploy.md, \"Upgrade and rollback\")."
    );
    let error = LayoutError::Use(marquee_shared::Error::unavailable("Query: no region"));
    let text = StartError::Layout(TablePlace::Aws("movies".into()), error).to_string();
    assert!(
        text.contains("movies on AWS can't be used: Query: no region"),
        "{text}"
    );
}

#[test]
fn what_no_person_can_mend_is_said_to_be_a_bug_or_names_its_part() {
    assert_eq!(
        StartError::Internal("the template has no table".into()).to_string(),
        "the template has no table. This is a bug of marquee."
    );
    let text = StartError::Signals(ErrorKind::OutOfMemory.into()).to_string();
    assert!(text.contains("SIGTERM"), "{text}");
    let text = StartError::Aws("no root certificates".into()).to_string();
    assert!(
        text.contains("AWS SDK can't be set up: no root certificates"),
        "{text}"
    );
}

#[test]
fn only_an_address_that_other_machines_reach_is_warned_of() {
    for host in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(warning_of(host.parse().unwrap()), None, "{host}");
    }
    for host in [
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv4Addr::new(10, 0, 0, 1).into(),
    ] {
        let warning = warning_of(host).unwrap();
        assert!(
            warning.contains(&format!("--host {host}")) && warning.lines().count() == 1,
            "{warning}"
        );
    }
}
