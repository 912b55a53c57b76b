//! Guarantee 78: as in `canary`, for the formats that consist of chunks and boxes.

use super::{
    super::*,
    canary::{CANARY, Expected::Refused as No, Expected::Served, check, profile},
    corpus::{at, corpus},
};

fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding: &[u8] = if data.len().is_multiple_of(2) { b"" } else { b"Y" };
    [&kind[..], &(data.len() as u32).to_le_bytes(), data, padding].concat()
}

/// The chunks of a WebP.
fn chunks(mut chunks: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((kind, rest)) = chunks.split_first_chunk::<4>() {
        let (length, rest) = rest.split_first_chunk::<4>().unwrap();
        let length = u32::from_le_bytes(*length) as usize;
        all.push((*kind, rest[..length].to_vec()));
        chunks = &rest[length.next_multiple_of(2)..];
    }
    all
}

fn webp(chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let data: Vec<u8> = chunks.iter().flat_map(|(kind, data)| riff(kind, data)).collect();
    riff(b"RIFF", &[&b"WEBP"[..], &data].concat())
}

#[test]
fn no_canary_of_a_webp_is_served() {
    for name in [
        "lossy.webp",
        "segments.webp",
        "alpha.webp",
        "raw-alpha.webp",
        "lossless.webp",
        "groups.webp",
        "animated.webp",
    ] {
        let check = |place: &str, file: &[u8], expected| check(name, place, file, expected);
        let file = corpus(name);
        let all = chunks(&file[12..]);
        for number in 0..all.len() {
            for kind in [b"EXIF", b"XMP ", b"ICCP", b"TEXT", b"JUNK", b"ALPH"] {
                let mut more = all.clone();
                more.insert(number, (*kind, CANARY.to_vec()));
                let place = format!("{} before chunk {number}", String::from_utf8_lossy(kind));
                // An alpha channel that isn't one.
                let is_refused = kind == b"ALPH" && process(&webp(&more)).is_err();
                check(&place, &webp(&more), if is_refused { No } else { Served });
            }
            // Each chunk is longer than what it needs.
            let mut longer = all.clone();
            let (kind, data) = &mut longer[number];
            let place = format!("behind {}", String::from_utf8_lossy(kind));
            if kind == b"ANMF" {
                data.extend(riff(b"TEXT", CANARY));
            } else {
                data.extend(CANARY);
            }
            check(&place, &webp(&longer), Served);
            // The first part of a lossy image has room behind its codes.
            let (kind, data) = &mut longer[number];
            if kind == b"VP8 " {
                let mut data = data[..data.len() - CANARY.len()].to_vec();
                let tag = u32::from_le_bytes([data[0], data[1], data[2], 0]);
                let first = 10 + (tag >> 5) as usize;
                data.splice(first..first, CANARY.iter().copied());
                data.splice(
                    ..3,
                    (tag + ((CANARY.len() as u32) << 5)).to_le_bytes()[..3]
                        .iter()
                        .copied(),
                );
                longer[number].1 = data;
                check("behind the first part", &webp(&longer), Served);
            }
        }
        check("after the end", &[&file[..], CANARY].concat(), No);
        let mut announced = [&file[..], CANARY].concat();
        announced.splice(4..8, (announced.len() as u32 - 8).to_le_bytes());
        check("behind the last chunk", &announced, No);
    }
    // A profile in an image that has one.
    let mut all = chunks(&corpus("alpha.webp")[12..]);
    all[0].1[0] |= 0x20;
    all.insert(1, (*b"ICCP", profile()));
    check("WebP", "a profile", &webp(&all), Served);
    assert!(
        process(&webp(&all))
            .unwrap()
            .image
            .windows(4)
            .any(|kind| kind == b"ICCP")
    );
}

/// A box.
fn of_kind(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// An AVIF of one item, with this description, properties, and data.
pub(super) struct Avif {
    ftyp: Vec<u8>,
    handler: Vec<u8>,
    more: Vec<u8>,
    name: Vec<u8>,
    properties: Vec<Vec<u8>>,
    pub(super) data: Vec<u8>,
    more_data: Vec<u8>,
}

impl Avif {
    pub(super) fn new() -> Self {
        let file = corpus("still.avif");
        let data = at(&file, b"mdat") + 4;
        let property = |kind: &[u8; 4]| {
            let start = at(&file, kind) - 4;
            let length = u32::from_be_bytes(*file[start..].first_chunk().unwrap()) as usize;
            file[start..start + length].to_vec()
        };
        Self {
            ftyp: b"avif\0\0\0\0avifmif1".to_vec(),
            handler: b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
            more: Vec::new(),
            name: Vec::new(),
            properties: [b"ispe", b"pixi", b"av1C", b"colr"].map(property).to_vec(),
            data: file[data..].to_vec(),
            more_data: Vec::new(),
        }
    }

    /// Returns the file. Its second item has text.
    pub(super) fn written(&self) -> Vec<u8> {
        let meta = |place: usize| {
            let number = |number: usize| (number as u32).to_be_bytes();
            let first = of_kind(
                b"infe",
                &[&b"\x02\0\0\0\0\x01\0\0av01"[..], &self.name, b"\0"].concat(),
            );
            let second = of_kind(b"infe", b"\x02\0\0\0\0\x02\0\0mime\0text/plain\0");
            let places = [
                &b"\0\0\0\0\x44\0\0\x02\0\x01\0\0\0\x01"[..],
                &number(place),
                &number(self.data.len()),
                b"\0\x02\0\0\0\x01",
                &number(place + self.data.len()),
                &number(CANARY.len()),
            ]
            .concat();
            let count = self.properties.len() as u8;
            let properties = [
                &b"\0\0\0\0\0\0\0\x01\0\x01"[..],
                &[count],
                &(1..=count).collect::<Vec<_>>(),
            ]
            .concat();
            let properties = [
                of_kind(b"ipco", &self.properties.concat()),
                of_kind(b"ipma", &properties),
            ]
            .concat();
            let content = [
                &[0; 4][..],
                &of_kind(b"hdlr", &self.handler),
                &of_kind(b"pitm", b"\0\0\0\0\0\x01"),
                &of_kind(b"iinf", &[&b"\0\0\0\0\0\x02"[..], &first, &second].concat()),
                &of_kind(b"iloc", &places),
                &of_kind(b"iprp", &properties),
                &self.more,
            ];
            of_kind(b"meta", &content.concat())
        };
        let start = of_kind(b"ftyp", &self.ftyp);
        let place = start.len() + meta(0).len() + 8;
        let data = of_kind(b"mdat", &[&self.data[..], CANARY, &self.more_data].concat());
        [start, meta(place), data].concat()
    }
}

#[test]
fn no_canary_of_an_avif_is_served() {
    let check = |place: &str, file: &[u8], expected| check("AVIF", place, file, expected);
    let changed = |place: &str, change: fn(&mut Avif)| {
        let mut avif = Avif::new();
        change(&mut avif);
        check(place, &avif.written(), Served);
        avif
    };
    let whole = changed("an item with text", |_| ()).written();
    changed("a brand", |avif| avif.ftyp.extend(&CANARY[..28]));
    changed("the name of the handler", |avif| {
        avif.handler.extend([CANARY, b"\0"].concat());
    });
    changed("the name of an item", |avif| avif.name = CANARY.to_vec());
    for kind in [b"free", b"udta", b"uuid", b"xml ", b"idat", b"grpl", b"test"] {
        let mut avif = Avif::new();
        avif.more = of_kind(kind, CANARY);
        check(&String::from_utf8_lossy(kind), &avif.written(), Served);
    }
    changed("data behind the items", |avif| avif.more_data = CANARY.to_vec());
    changed("an unknown property", |avif| {
        avif.properties.push(of_kind(b"test", CANARY));
    });
    changed("a profile", |avif| {
        avif.properties[3] = of_kind(b"colr", &[&b"prof"[..], &profile()[..]].concat());
    });
    for number in 0..4 {
        let mut avif = Avif::new();
        let content = [&avif.properties[number][8..], CANARY].concat();
        let kind = *avif.properties[number][4..].first_chunk().unwrap();
        avif.properties[number] = of_kind(&kind, &content);
        check(
            &format!("behind {}", String::from_utf8_lossy(&kind)),
            &avif.written(),
            Served,
        );
    }
    // Units of metadata, of padding and of a kind that doesn't exist, before the image and behind it.
    for kind in [5, 8, 9, 15] {
        let unit = [&[kind << 3 | 2, CANARY.len() as u8][..], CANARY].concat();
        let mut avif = Avif::new();
        avif.data = [&unit[..], &avif.data].concat();
        check("a unit before the image", &avif.written(), Served);
        avif.data = [&Avif::new().data[..], &unit].concat();
        check("a unit behind the image", &avif.written(), Served);
    }
    // The header of the sequence, which may be longer than what it says.
    let mut avif = Avif::new();
    let place = avif.data.iter().position(|header| *header == 0x0a).unwrap();
    let end = place + 2 + usize::from(avif.data[place + 1]);
    avif.data[place + 1] += CANARY.len() as u8;
    avif.data.splice(end..end, CANARY.iter().copied());
    check("behind the header of the sequence", &avif.written(), Served);
    for kind in [b"free", b"skip", b"uuid"] {
        let more = of_kind(kind, CANARY);
        check("a box of the file", &[&whole[..], &more].concat(), Served);
    }
    check(
        "an unknown box of the file",
        &[&whole[..], &of_kind(b"test", CANARY)].concat(),
        No,
    );
    check(
        "another box of data",
        &[&whole[..], &of_kind(b"mdat", CANARY)].concat(),
        No,
    );
    check("after the end", &[&whole[..], CANARY].concat(), No);
    let animated = corpus("animated.avif");
    check(
        "data behind an animation",
        &[&animated[..], &of_kind(b"mdat", CANARY)].concat(),
        Served,
    );
}
