//! Colors, transparency and orientation: by the values of pixels.

use super::{
    super::*,
    canary::{chunk, compressed, segment, with},
    corpus::{PROFILE, corpus},
};
use ::image::{GenericImageView as _, Rgb, RgbImage};

const RED: [u8; 3] = [220, 20, 20];
const GREEN: [u8; 3] = [20, 200, 20];
const BLUE: [u8; 3] = [20, 20, 220];
const WHITE: [u8; 3] = [250, 250, 250];

fn pixels(file: &[u8]) -> DynamicImage {
    ::image::load_from_memory(file).unwrap()
}

fn thumbnail(cover: &Cover) -> DynamicImage {
    pixels(cover.thumbnail.as_ref().unwrap())
}

fn is_near(pixel: [u8; 4], color: [u8; 3]) -> bool {
    pixel.iter().zip(color).all(|(a, b)| a.abs_diff(b) < 40)
}

fn exif(orientation: u8) -> Vec<u8> {
    [
        &b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..],
        &[orientation],
        b"\0\0\0\0\0\0",
    ]
    .concat()
}

/// Four quarters: red and green above blue and white.
fn quarters() -> DynamicImage {
    let color = |x: u32, y: u32| match (x < 48, y < 32) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => WHITE,
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(96, 64, |x, y| Rgb(color(x, y))))
}

#[test]
fn every_orientation_is_applied_to_the_image_and_the_thumbnail() {
    // What is shown in the upper corners and the lower ones (Exif 2.32, table 6).
    let expected = [
        [RED, GREEN, BLUE, WHITE],
        [GREEN, RED, WHITE, BLUE],
        [WHITE, BLUE, GREEN, RED],
        [BLUE, WHITE, RED, GREEN],
        [RED, BLUE, GREEN, WHITE],
        [BLUE, RED, WHITE, GREEN],
        [WHITE, GREEN, BLUE, RED],
        [GREEN, WHITE, RED, BLUE],
    ];
    for (orientation, corners) in (1..).zip(expected) {
        let exif = exif(orientation);
        let encoded = |format| thumbnail::encode(&quarters(), format, 90, None).unwrap();
        let jpeg = with(
            &encoded(ImageFormat::Jpeg),
            2,
            &segment(0xe1, &[b"Exif\0\0", &exif[..]].concat()),
        );
        let png = with(&encoded(ImageFormat::Png), 33, &chunk(b"eXIf", &exif));
        let mut webp = encoded(ImageFormat::Webp);
        let extended = b"VP8X\x0a\0\0\0\x08\0\0\0\x5f\0\0\x3f\0\0";
        webp.splice(12..12, *extended);
        webp.extend([&b"EXIF"[..], &(exif.len() as u32).to_le_bytes(), &exif].concat());
        let length = webp.len() as u32 - 8;
        webp.splice(4..8, length.to_le_bytes());
        for (format, file) in [("JPEG", jpeg), ("PNG", png), ("WebP", webp)] {
            let cover = process(&file).unwrap_or_else(|refused| panic!("{format}: {refused:?}"));
            for (what, shown) in [("image", pixels(&cover.image)), ("thumbnail", thumbnail(&cover))] {
                let size = if orientation < 5 { (96, 64) } else { (64, 96) };
                assert_eq!(shown.dimensions(), size, "{format}, {orientation}, {what}");
                let (right, bottom) = (size.0 - 6, size.1 - 6);
                for ((x, y), color) in [(5, 5), (right, 5), (5, bottom), (right, bottom)]
                    .into_iter()
                    .zip(corners)
                {
                    let pixel = shown.get_pixel(x, y).0;
                    assert!(
                        is_near(pixel, color),
                        "{format}, {orientation}, {what}, {x} {y}: {pixel:?}"
                    );
                }
            }
            assert!(
                !cover
                    .image
                    .windows(4)
                    .any(|kind| kind == b"EXIF" || kind == b"eXIf" || kind == b"Exif")
            );
        }
    }
}

#[test]
fn a_png_that_is_turned_keeps_what_its_colors_mean() {
    // Two by one pixels of 16 bits, to be turned clockwise.
    let row = [
        0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
    ];
    let profile = [b"name\0\0", &compressed(PROFILE, 6)[..]].concat();
    let chromaticities: Vec<u8> = [31270_u32, 32900, 64000, 33000, 30000, 60000, 15000, 6000]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    let chunks: [(&[u8; 4], &[u8]); 5] = [
        (b"cICP", &[9, 16, 0, 1]),
        (b"sRGB", &[0]),
        (b"gAMA", &100_000_u32.to_be_bytes()),
        (b"cHRM", &chromaticities),
        (b"iCCP", &profile),
    ];
    for (kind, content) in chunks {
        let png = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", b"\0\0\0\x02\0\0\0\x01\x10\x02\0\0\0"),
            chunk(kind, content),
            chunk(b"eXIf", &exif(6)),
            chunk(b"IDAT", &compressed(&row, 6)),
            chunk(b"IEND", b""),
        ];
        let cover = process(&png.concat()).unwrap();
        let turned = pixels(&cover.image);
        let DynamicImage::ImageRgb16(turned) = turned else {
            panic!("16 bits became {:?}", turned.color());
        };
        assert_eq!(turned.dimensions(), (1, 2));
        assert_eq!(turned.as_raw(), &[0x1234, 0x5678, 0x9abc, 0xfedc, 0xba98, 0x7654]);
        let kept = cover.image.windows(4).position(|window| window == kind);
        let kept = kept.unwrap_or_else(|| panic!("{} is lost", String::from_utf8_lossy(kind)));
        assert!(
            kept < cover
                .image
                .windows(4)
                .position(|window| window == b"IDAT")
                .unwrap()
        );
        if kind != b"iCCP" {
            assert_eq!(&cover.image[kept + 4..kept + 4 + content.len()], content);
        }
        // It is read again, so checksums and places are right.
        assert_eq!(process(&cover.image).unwrap().image, cover.image);
    }
}

#[test]
fn a_color_profile_keeps_its_numbers() {
    let clean = icc::clean(PROFILE).unwrap();
    let tag = |profile: &[u8], tag: &[u8]| {
        let tags = profile[132..].as_chunks::<12>().0;
        let [_, _, _, _, p1, p2, p3, p4, l1, l2, l3, l4] =
            *tags.iter().find(|found| found.starts_with(tag)).unwrap();
        let (place, length) = (
            u32::from_be_bytes([p1, p2, p3, p4]),
            u32::from_be_bytes([l1, l2, l3, l4]),
        );
        profile[place as usize..(place + length) as usize].to_vec()
    };
    for name in [
        b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"chad",
    ] {
        assert_eq!(
            tag(&clean, name),
            tag(PROFILE, name),
            "{}",
            String::from_utf8_lossy(name)
        );
    }
    assert_eq!(icc::clean(&clean).unwrap(), clean);
    for length in 0..PROFILE.len() - 40 {
        assert!(icc::clean(&PROFILE[..length]).is_none(), "{length} bytes");
    }
}

#[test]
fn the_inks_of_a_cmyk_image_are_colors_in_its_thumbnail() {
    let cover = process(&corpus("cmyk.jpg")).unwrap();
    let thumbnail = thumbnail(&cover);
    assert_eq!(thumbnail.dimensions(), (120, 90));
    for ((x, y), color) in [((30, 25), RED), ((80, 60), BLUE)] {
        let pixel = thumbnail.get_pixel(x, y).0;
        assert!(is_near(pixel, color), "{pixel:?}");
    }
}

#[test]
fn what_is_transparent_is_white_in_every_thumbnail() {
    let clear = ::image::RgbaImage::from_pixel(9, 9, ::image::Rgba([0, 0, 0, 0]));
    for format in [ImageFormat::Png, ImageFormat::Webp] {
        let file = thumbnail::encode(&DynamicImage::ImageRgba8(clear.clone()), format, 90, None).unwrap();
        let cover = process(&file).unwrap();
        assert_eq!(
            recognize(cover.thumbnail.as_ref().unwrap()),
            Some(ImageFormat::Jpeg)
        );
        assert!(
            is_near(thumbnail(&cover).get_pixel(4, 4).0, [255; 3]),
            "{format:?}"
        );
        assert_eq!(pixels(&cover.image).get_pixel(4, 4).0[3], 0);
    }
}

#[test]
fn an_interlaced_png_of_each_depth_is_shown() {
    let passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    for depth in [1_u32, 2, 4, 8] {
        let (width, height) = (11, 9);
        let value = |x: usize, y: usize| ((x / 4 + y / 4) % 2 * ((1 << depth) - 1)) as u8;
        let mut data = Vec::new();
        for (x0, y0, dx, dy) in passes {
            for y in (y0..height).step_by(dy) {
                let row: Vec<u8> = (x0..width).step_by(dx).map(|x| value(x, y)).collect();
                data.push(0);
                for byte in row.chunks(8 / depth as usize) {
                    let bits = byte
                        .iter()
                        .fold(0_u16, |bits, value| bits << depth | u16::from(*value));
                    data.push((bits << (8 - depth * byte.len() as u32)) as u8);
                }
            }
        }
        let header = [
            &[0, 0, 0, width as u8, 0, 0, 0, height as u8, depth as u8][..],
            &[0, 0, 0, 1],
        ]
        .concat();
        let png = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &header),
            chunk(b"IDAT", &compressed(&data, 6)),
            chunk(b"IEND", b""),
        ];
        let cover = process(&png.concat()).unwrap();
        let (image, thumbnail) = (pixels(&cover.image), thumbnail(&cover));
        for (x, y) in [(1, 1), (5, 1), (1, 5), (5, 5), (9, 1)] {
            let expected = if value(x, y) == 0 { 0 } else { 255_u8 };
            assert_eq!(
                image.get_pixel(x as u32, y as u32).0[0],
                expected,
                "{depth} bits, {x} {y}"
            );
            let shown = thumbnail.get_pixel(x as u32, y as u32).0[0];
            assert!(shown.abs_diff(expected) < 90, "{depth} bits, {x} {y}: {shown}");
        }
    }
}
