//! Guarantee 78: limits of size, memory and time.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{
    super::*,
    boxes::Avif,
    canary::{chunk, compressed, with},
    corpus::{FILES, at, corpus},
};

/// The most memory that a process takes for one image, in bytes. The function has 1,769 MB.
const MOST_MEMORY: u64 = 1_200_000_000;

fn png(width: u32, height: u32, kind: [u8; 2], data: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &kind, &[0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", data),
        chunk(b"IEND", b""),
    ]
    .concat()
}

fn patched(file: &[u8], place: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file.splice(place..place + bytes.len(), bytes.iter().copied());
    file
}

/// A GIF of one frame of this size, with the data of one pixel.
fn gif(screen: [u8; 4], frame: [u8; 4]) -> Vec<u8> {
    [
        &b"GIF89a"[..],
        &screen,
        b"\x80\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0",
        &frame,
        b"\0\x02\x02\x44\x01\0\x3b",
    ]
    .concat()
}

/// An AVIF whose sequence has a size of its own.
fn avif(width: u16, height: u16) -> Vec<u8> {
    let bits = format!(
        "000110000011111111{:016b}{:016b}0000000000000000000000",
        width - 1,
        height - 1
    );
    let bytes: Vec<u8> = bits
        .as_bytes()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')))
        .collect();
    let mut avif = Avif::new();
    avif.data = [&[0x0a, bytes.len() as u8][..], &bytes, &[0x32, 1, 0]].concat();
    avif.written()
}

#[test]
fn more_than_50_megapixels_are_refused_before_they_are_decoded() {
    let jpeg = corpus("baseline.jpg");
    let frame = at(&jpeg, b"\xff\xc0") + 5;
    let lossy = corpus("lossy.webp");
    let bitmap = at(&lossy, b"\x9d\x01\x2a") + 3;
    let extended = corpus("alpha.webp");
    let canvas = at(&extended, b"VP8X") + 12;
    let refused = |file: Vec<u8>| {
        assert!(file.len() < 20_000);
        let started = Instant::now();
        let refused = process(&file).unwrap_err();
        assert!(started.elapsed() < Duration::from_millis(500));
        refused
    };
    for (name, file) in [
        ("JPEG", patched(&jpeg, frame, &[0xff; 4])),
        (
            "JPEG, progressive",
            patched(
                &corpus("progressive.jpg"),
                at(&corpus("progressive.jpg"), b"\xff\xc2") + 5,
                &[0x1b, 0xa0, 0x1b, 0xa0],
            ),
        ),
        ("WebP", patched(&lossy, bitmap, &[0xff, 0x3f, 0xff, 0x3f])),
        ("WebP, canvas", patched(&extended, canvas, &[0xff; 6])),
        ("PNG", png(50_000, 1_001, [8, 0], &compressed(&[0; 99], 6))),
        ("PNG, no lines", png(u32::MAX, u32::MAX, [16, 6], b"")),
        ("GIF", gif([0xff; 4], [1, 0, 1, 0])),
        ("GIF, frame", gif([1, 0, 1, 0], [0xff; 4])),
        ("AVIF", avif(u16::MAX, 50_000)),
    ] {
        assert_eq!(refused(file), TOO_MANY_PIXELS, "{name}");
    }
    // The sequence of an AVIF that is as large as its image.
    assert!(process(&avif(120, 90)).is_ok());
}

#[test]
fn an_image_without_pixels_is_refused() {
    let jpeg = corpus("baseline.jpg");
    let frame = at(&jpeg, b"\xff\xc0") + 5;
    let lossy = corpus("lossy.webp");
    let bitmap = at(&lossy, b"\x9d\x01\x2a") + 3;
    for (name, file) in [
        ("JPEG, height", patched(&jpeg, frame, &[0, 0])),
        ("JPEG, width", patched(&jpeg, frame + 2, &[0, 0])),
        ("WebP", patched(&lossy, bitmap, &[0, 0])),
        ("PNG, width", png(0, 1, [8, 0], &compressed(b"", 6))),
        ("PNG, height", png(1, 0, [8, 0], &compressed(b"", 6))),
        ("GIF", gif([0; 4], [1, 0, 1, 0])),
        ("GIF, frame", gif([1, 0, 1, 0], [0; 4])),
    ] {
        assert!(matches!(process(&file), Err(Refused::Invalid(_))), "{name}");
    }
}

#[test]
fn an_image_of_one_pixel_by_50_000_has_a_thumbnail() {
    for (width, height, expected) in [(1, 50_000, (1, 513)), (50_000, 1, (342, 1))] {
        let gray = ::image::GrayImage::from_pixel(width, height, ::image::Luma([99]));
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let image = DynamicImage::ImageLuma8(gray.clone());
            let cover = process(&thumbnail::encode(&image, format, 90, None).unwrap()).unwrap();
            let thumbnail = ::image::load_from_memory(&cover.thumbnail.unwrap()).unwrap();
            assert_eq!((thumbnail.width(), thumbnail.height()), expected, "{format:?}");
        }
    }
}

/// The image that takes most memory: 50 megapixels of four channels with 16 bits each, which is to be turned. It has 400 kB.
fn largest() -> Vec<u8> {
    use std::io::Write as _;
    let mut data = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(1));
    let row = vec![0; 1 + 8 * 5_000];
    for _ in 0..10_000 {
        data.write_all(&row).unwrap();
    }
    let exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    with(
        &png(5_000, 10_000, [16, 6], &data.finish().unwrap()),
        33,
        &chunk(b"eXIf", exif),
    )
}

/// Run by the next test, in a process of its own.
#[test]
#[ignore = "measures the process that runs it"]
fn the_largest_image_alone() {
    let file = largest();
    assert!(file.len() < MAX_COVER_BYTES);
    process(&file).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak {}", kilobytes * 1024);
}

#[cfg(target_os = "linux")]
#[test]
fn the_largest_image_takes_no_more_memory_than_a_function_has() {
    let name = "image::tests::limits::the_largest_image_alone";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let peak = printed
        .split("peak ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap();
    let peak: u64 = peak.trim().parse().unwrap();
    // Both the image and the turned one are in memory.
    assert!((800_000_000..MOST_MEMORY).contains(&peak), "{peak} bytes");
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Guarantee 78: bits are flipped, and parts are removed, repeated, moved and overwritten.
#[test]
fn a_damaged_file_of_another_program_is_accepted_or_refused_soon() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut accepted, mut refused) = (0, 0);
    for (name, file) in FILES {
        for round in 0..60 {
            let mut damaged = file.to_vec();
            for _ in 0..=numbers.below(4) {
                let (place, length) = (numbers.below(damaged.len()), 1 + numbers.below(40));
                let end = damaged.len().min(place + length);
                match numbers.below(6) {
                    0 | 1 => damaged[place] ^= 1 << numbers.below(8),
                    2 => drop(damaged.drain(place..end)),
                    3 => {
                        let part = damaged[place..end].to_vec();
                        let to = numbers.below(damaged.len());
                        damaged.splice(to..to, part);
                    }
                    4 => damaged[place..end].fill([0, 0xff][numbers.below(2)]),
                    _ => damaged[place] = numbers.below(256) as u8,
                }
                if damaged.is_empty() {
                    break;
                }
            }
            let started = Instant::now();
            let result = process(&damaged);
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{name}, round {round}"
            );
            match result {
                Ok(cover) => {
                    accepted += 1;
                    let again = process(&cover.image)
                        .unwrap_or_else(|refused| panic!("{name}, round {round}: {refused:?}"));
                    assert_eq!(again.format, cover.format);
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        accepted > 100 && refused > 100,
        "{accepted} accepted, {refused} refused"
    );
}
