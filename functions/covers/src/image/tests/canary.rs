//! Guarantee 78: whatever a file has beside its image is in nothing that is served. A canary is planted at every place where a format
//! has room for more.

use super::{
    super::*,
    corpus::{PROFILE, at, corpus},
    file, picture,
};

pub(super) const CANARY: &[u8] = b"A-canary: Jane Roe, 40.7128N";

/// Whether the file is served without the canary, or must be refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Expected {
    Served,
    Refused,
}
use Expected::{Refused as No, Served};

pub(super) fn check(format: &str, place: &str, file: &[u8], expected: Expected) {
    let has = |bytes: &[u8]| {
        let part = 6;
        CANARY
            .windows(part)
            .any(|part| bytes.windows(part.len()).any(|window| window == part))
    };
    assert!(has(file), "{format}, {place}: nothing was planted");
    match process(file) {
        Ok(cover) => {
            assert_eq!(expected, Served, "{format}, {place}");
            assert!(!has(&cover.image), "{format}, {place}: in the image");
            assert!(
                !cover.thumbnail.is_some_and(|thumbnail| has(&thumbnail)),
                "{format}, {place}: in the thumbnail"
            );
        }
        Err(refused) => {
            assert_eq!(expected, No, "{format}, {place}: {refused:?}");
            assert!(
                matches!(refused, Refused::Invalid(_)),
                "{format}, {place}: {refused:?}"
            );
        }
    }
}

pub(super) fn with(file: &[u8], place: usize, more: &[u8]) -> Vec<u8> {
    [&file[..place], more, &file[place..]].concat()
}

/// A color profile with the canary in its description, in a tag of its own, behind its end and in its header.
pub(super) fn profile() -> Vec<u8> {
    let mut profile = PROFILE.to_vec();
    let description = at(&profile, b"desc");
    let place = u32::from_be_bytes(*profile[description + 4..].first_chunk().unwrap()) as usize;
    profile.splice(place + 8..place + 8 + CANARY.len(), CANARY.iter().copied());
    // The date and the device.
    profile.splice(48..48 + 16, CANARY[..16].iter().copied());
    profile.splice(84..84 + CANARY.len(), CANARY.iter().copied());
    profile.extend(CANARY);
    profile
}

pub(super) fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, data].concat()
}

/// Makes the first segment of this kind longer.
fn longer(file: &[u8], marker: u8) -> Vec<u8> {
    let place = at(file, &[0xff, marker]);
    let length = u16::from_be_bytes(*file[place + 2..].first_chunk().unwrap());
    let mut file = with(file, place + 2 + usize::from(length), CANARY);
    file.splice(place + 2..place + 4, (length + CANARY.len() as u16).to_be_bytes());
    file
}

#[test]
fn no_canary_of_a_jpeg_is_served() {
    for name in ["baseline.jpg", "progressive.jpg", "restart.jpg", "cmyk.jpg"] {
        let jpeg = corpus(name);
        let check = |place: &str, file: &[u8], expected| check(name, place, file, expected);
        let scan = at(&jpeg, b"\xff\xda");
        for (place, segment) in [
            ("comment", segment(0xfe, CANARY)),
            (
                "JFIF's thumbnail",
                segment(
                    0xe0,
                    &[&b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c\x03\x03"[..], CANARY].concat(),
                ),
            ),
            (
                "JFIF's extension",
                segment(0xe0, &[&b"JFXX\0\x10"[..], CANARY].concat()),
            ),
            (
                "Exif",
                segment(
                    0xe1,
                    &[&b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0"[..], CANARY].concat(),
                ),
            ),
            (
                "XMP",
                segment(0xe1, &[&b"http://ns.adobe.com/xap/1.0/\0"[..], CANARY].concat()),
            ),
            ("pictures", segment(0xe2, &[&b"MPF\0"[..], CANARY].concat())),
            (
                "profile",
                segment(0xe2, &[&b"ICC_PROFILE\0\x01\x01"[..], &profile()[..]].concat()),
            ),
            (
                "broken profile",
                segment(0xe2, &[&b"ICC_PROFILE\0\x01\x01"[..], CANARY].concat()),
            ),
            ("IPTC", segment(0xed, &[&b"Photoshop 3.0\0"[..], CANARY].concat())),
            ("another application", segment(0xef, CANARY)),
            ("a reserved marker", segment(0xf7, CANARY)),
            ("lines", segment(0xdc, CANARY)),
            ("a table of arithmetic codes", segment(0xcc, CANARY)),
            (
                "unused quantization",
                segment(0xdb, &[&[3][..], CANARY, &[1; 64 - CANARY.len()]].concat()),
            ),
            (
                "unused codes",
                segment(
                    0xc4,
                    &[&[0x13, 0, 0, 0, 0, CANARY.len() as u8][..], &[0; 11], CANARY].concat(),
                ),
            ),
            (
                "replaced codes",
                segment(
                    0xc4,
                    &[&[0x10, 0, 0, 0, 0, CANARY.len() as u8][..], &[0; 11], CANARY].concat(),
                ),
            ),
        ] {
            check(place, &with(&jpeg, 2, &segment), Served);
            if !matches!(place, "replaced codes") {
                check(
                    &format!("{place} before a scan"),
                    &with(&jpeg, scan, &segment),
                    Served,
                );
            }
            let end = jpeg.len() - 2;
            check(
                &format!("{place} before the end"),
                &with(&jpeg, end, &segment),
                Served,
            );
        }
        check(
            "behind Adobe's data",
            &with(
                &jpeg,
                2,
                &segment(0xee, &[&b"Adobe\0\x64\0\0\0\0\x01"[..], CANARY].concat()),
            ),
            Served,
        );
        check(
            "after the last block",
            &with(&jpeg, jpeg.len() - 2, CANARY),
            Served,
        );
        check(
            "after the last restart",
            &with(&jpeg, jpeg.len() - 2, &[&b"\xff\xd3"[..], CANARY].concat()),
            Served,
        );
        check("after the end", &[&jpeg[..], CANARY].concat(), No);
        check("a scan that is longer", &longer(&jpeg, 0xda), Served);
        let frame = if name == "progressive.jpg" { 0xc2 } else { 0xc0 };
        check("a frame that is longer", &longer(&jpeg, frame), Served);
        check("a table that is longer", &longer(&jpeg, 0xdb), No);
        check("between segments", &with(&jpeg, scan, CANARY), No);
        check(
            "between images",
            &with(&jpeg, 2, &[&b"\xff\xd9"[..], CANARY].concat()),
            No,
        );
    }
    let restart = corpus("restart.jpg");
    let first = at(&restart, b"\xff\xd0");
    check(
        "restart.jpg",
        "before a restart",
        &with(&restart, first, CANARY),
        Served,
    );
    check(
        "restart.jpg",
        "a restart that is longer",
        &longer(&restart, 0xdd),
        Served,
    );
    let progressive = corpus("progressive.jpg");
    let second = at(&progressive[at(&progressive, b"\xff\xda") + 2..], b"\xff\xc4")
        + at(&progressive, b"\xff\xda")
        + 2;
    check(
        "progressive.jpg",
        "between scans",
        &with(&progressive, second, CANARY),
        Served,
    );
    // The symbols of codes that no block has: the table with every symbol has many.
    let whole = file(ImageFormat::Jpeg, &picture(64, 48));
    let mut table = at(&whole, b"\xff\xc4");
    while whole[table + 4] != 0x10 {
        table += 2 + usize::from(u16::from_be_bytes([whole[table + 2], whole[table + 3]]));
    }
    let last = table + 2 + usize::from(u16::from_be_bytes([whole[table + 2], whole[table + 3]]));
    let mut unused = whole.clone();
    unused.splice(last - CANARY.len()..last, CANARY.iter().copied());
    check("baseline.jpg", "unused symbols", &unused, Served);
}

pub(super) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(kind);
    checksum.update(data);
    [
        &(data.len() as u32).to_be_bytes()[..],
        kind,
        data,
        &checksum.sum().to_be_bytes(),
    ]
    .concat()
}

pub(super) fn compressed(data: &[u8], level: u32) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn no_canary_of_a_png_is_served() {
    let check = |place: &str, file: &[u8], expected| check("PNG", place, file, expected);
    // Two rows of three gray pixels.
    let rows = [0, 1, 2, 3, 0, 4, 5, 6];
    let start = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", b"\0\0\0\x03\0\0\0\x02\x08\0\0\0\0"),
    ]
    .concat();
    let png = |before: &[u8], data: &[u8], after: &[u8]| {
        [
            &start[..],
            before,
            &chunk(b"IDAT", data),
            after,
            &chunk(b"IEND", b""),
        ]
        .concat()
    };
    let data = compressed(&rows, 6);
    for kind in [
        b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"pHYs", b"bKGD", b"sBIT", b"hIST", b"sPLT", b"caBX",
        b"prVt", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"iCCP", b"tRNS", b"acTL", b"fcTL",
        b"fdAT",
    ] {
        let more = chunk(kind, CANARY);
        let place = String::from_utf8_lossy(kind);
        check(&place, &png(&more, &data, b""), Served);
        check(
            &format!("{place} before the end"),
            &png(b"", &data, &more),
            Served,
        );
    }
    for (place, name, profile) in [
        (
            "a profile's description",
            &b"ICC"[..],
            [&compressed(&profile(), 0)[..], b""].concat(),
        ),
        ("a profile's name", CANARY, compressed(PROFILE, 6)),
        (
            "behind a profile",
            b"ICC",
            [&compressed(PROFILE, 6)[..], CANARY].concat(),
        ),
    ] {
        let cover = png(&chunk(b"iCCP", &[name, b"\0\0", &profile].concat()), &data, b"");
        check(place, &cover, Served);
        assert!(
            process(&cover)
                .unwrap()
                .image
                .windows(4)
                .any(|kind| kind == b"iCCP")
        );
    }
    check(
        "an unknown chunk that is needed",
        &png(&chunk(b"CANA", CANARY), &data, b""),
        No,
    );
    check(
        "a palette of a gray image",
        &png(&chunk(b"PLTE", CANARY), &data, b""),
        Served,
    );
    check(
        "behind the stream",
        &png(b"", &[&data[..], CANARY].concat(), b""),
        Served,
    );
    check(
        "in a chunk behind the stream",
        &png(b"", &data, &chunk(b"IDAT", CANARY)),
        Served,
    );
    check(
        "in a later chunk of data",
        &png(
            b"",
            &data,
            &[chunk(b"tIME", b""), chunk(b"IDAT", CANARY)].concat(),
        ),
        No,
    );
    check(
        "in the stream behind the rows",
        &png(b"", &compressed(&[&rows[..], CANARY].concat(), 0), b""),
        No,
    );
    check(
        "in the chunk of the end",
        &[&start[..], &chunk(b"IDAT", &data), &chunk(b"IEND", CANARY)].concat(),
        Served,
    );
    check("after the end", &[&png(b"", &data, b"")[..], CANARY].concat(), No);
    let header = [&b"\0\0\0\x03\0\0\0\x02\x08\0\0\0\0"[..], CANARY].concat();
    let longer = [
        &start[..8],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", &data),
        &chunk(b"IEND", b""),
    ]
    .concat();
    check("a header that is longer", &longer, No);
    // Six pixels of three colors, and a palette and an alpha channel with more.
    let palette = [&[9; 21][..], CANARY, &[0, 0]].concat();
    let alpha = [&[1, 2, 3, 4, 5, 6, 7][..], &CANARY[..10]].concat();
    let indexed = [
        &start[..8],
        &chunk(b"IHDR", b"\0\0\0\x03\0\0\0\x02\x08\x03\0\0\0"),
        &chunk(b"PLTE", &palette),
        &chunk(b"tRNS", &alpha),
        &chunk(b"IDAT", &data),
        &chunk(b"IEND", b""),
    ]
    .concat();
    check("unused colors", &indexed, Served);
    let shown = ::image::load_from_memory(&process(&indexed).unwrap().image).unwrap();
    assert_eq!(shown.into_rgba8().get_pixel(0, 0).0, [9, 9, 9, 2]);
}

/// The blocks of a GIF's data.
fn blocks(data: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = data
        .chunks(255)
        .flat_map(|block| [&[block.len() as u8][..], block].concat())
        .collect();
    out.push(0);
    out
}

#[test]
fn no_canary_of_a_gif_is_served() {
    let check = |place: &str, file: &[u8], expected| check("GIF", place, file, expected);
    let text = blocks(CANARY);
    // The sample of ten by ten pixels, in four colors, of which three are used.
    let codes = b"\x8c\x2d\x99\x87\x2a\x1c\xdc\x33\xa0\x02\x75\xec\x95\xfa\xa8\xde\x60\x8c\x04\x91\x4c\x01";
    let head = b"GIF89a\x0a\0\x0a\0\x91\0\0\xff\xff\xff\xff\0\0\0\0\xff\0\0\0";
    let image = b"\x2c\0\0\0\0\x0a\0\x0a\0\0\x02";
    let gif =
        |before: &[u8], data: &[u8], after: &[u8]| [&head[..], before, image, data, after, b"\x3b"].concat();
    let data = blocks(codes);
    for (place, extension) in [
        ("comment", [&b"\x21\xfe"[..], &text].concat()),
        (
            "plain text",
            [&b"\x21\x01\x0c\0\0\0\0\x0a\0\x0a\0\x08\x08\0\x01"[..], &text].concat(),
        ),
        (
            "an application",
            [&b"\x21\xff\x0bXMP DataXMP"[..], &text].concat(),
        ),
        ("a profile", [&b"\x21\xff\x0bICCRGBG1012"[..], &text].concat()),
        (
            "loops",
            [&b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0"[..], &text].concat(),
        ),
        (
            "loops without a number",
            [&b"\x21\xff\x0bNETSCAPE2.0"[..], &text].concat(),
        ),
        ("control", [&b"\x21\xf9\x04\0\0\0\0"[..], &text].concat()),
        ("an unknown extension", [&b"\x21\x77"[..], &text].concat()),
    ] {
        check(place, &gif(&extension, &data, b""), Served);
        check(
            &format!("{place} before the end"),
            &gif(b"", &data, &extension),
            Served,
        );
    }
    check(
        "behind the end code",
        &gif(b"", &blocks(&[&codes[..], CANARY].concat()), b""),
        Served,
    );
    let block = [&data[..data.len() - 1], &text].concat();
    check("in a block behind the end code", &gif(b"", &block, b""), Served);
    check("between images", &gif(b"", &data, CANARY), No);
    check("after the end", &[&gif(b"", &data, b"")[..], CANARY].concat(), No);
    let colors = b"GIF89a\x0a\0\x0a\0\x94\0\0\xff\xff\xff\xff\0\0\0\0\xff\0\0\0";
    let unused = [&colors[..], CANARY, &[0; 56], image, &data, b"\x3b"].concat();
    check("unused colors", &unused, Served);
    let image = b"\x2c\0\0\0\0\x0a\0\x0a\0\x84\xff\xff\xff\xff\0\0\0\0\xff\0\0\0";
    let unused = [&head[..], image, CANARY, &[0; 56], b"\x02", &data, b"\x3b"].concat();
    check("unused colors of a frame", &unused, Served);
    // A code for more pixels than the frame has.
    let short = [
        &head[..],
        b"\x2c\0\0\0\0\x0a\0\x0a\0\0\x02",
        &blocks(&[&codes[..21], CANARY].concat()),
        b"\x3b",
    ]
    .concat();
    check("instead of the end code", &short, Served);
    assert!(::image::load_from_memory(&process(&short).unwrap().image).is_ok());
}
