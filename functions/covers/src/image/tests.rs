mod boxes;
mod canary;
mod colors;
mod corpus;
mod limits;

use image::{DynamicImage, GenericImageView as _, RgbImage};

use super::*;

/// A picture whose left half is red and whose right half is blue.
fn picture(width: u32, height: u32) -> DynamicImage {
    let color = |x, _| {
        if x < width / 2 {
            [220, 20, 20]
        } else {
            [20, 20, 220]
        }
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| image::Rgb(color(x, y))))
}

fn file(format: ImageFormat, image: &DynamicImage) -> Vec<u8> {
    if format == ImageFormat::Gif {
        let mut out = std::io::Cursor::new(Vec::new());
        let rgba = DynamicImage::ImageRgba8(image.to_rgba8());
        rgba.write_to(&mut out, image::ImageFormat::Gif).unwrap();
        return out.into_inner();
    }
    thumbnail::encode(image, format, 90, None).unwrap()
}

const DECODED: [ImageFormat; 4] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::Webp,
    ImageFormat::Gif,
];

#[test]
fn an_image_of_each_type_is_accepted_with_a_thumbnail_that_fits() {
    for format in DECODED {
        let cover = process(&file(format, &picture(800, 600))).unwrap();
        assert_eq!(cover.format, format);
        assert_eq!(recognize(&cover.image), Some(format));
        let thumbnail = cover.thumbnail.unwrap();
        assert_eq!(recognize(&thumbnail), Some(ImageFormat::Jpeg));
        let thumbnail = image::load_from_memory(&thumbnail).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), (342, 257), "{format:?}");
    }
}

/// Guarantee 78.
#[test]
fn data_after_the_end_and_every_truncation_are_refused() {
    for format in DECODED {
        let whole = file(format, &picture(40, 30));
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(process(&longer).unwrap_err(), DATA_AFTER_END, "{format:?}");
        for length in 0..whole.len() {
            assert!(process(&whole[..length]).is_err(), "{format:?}, {length} bytes");
        }
    }
}

#[test]
fn what_is_no_image_is_unsupported() {
    for other in [
        &b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..],
        b"BM",
        b"%PDF-1.7",
        b"\0",
        b"RIFF1234WAVE",
        b"1234\x05\0\0\0WEBP",
        b"GIFT",
        b"GIF90a",
        b"\x89PNG\n\x1a\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x14ftypisom\0\0\0\0mp42",
    ] {
        assert_eq!(process(other).unwrap_err(), Refused::Unsupported);
    }
    // Each of them may have the brand of an AVIF first or among others.
    for brands in [
        &b"avif\0\0\0\0mif1"[..],
        b"mif1\0\0\0\0miafavif",
        b"avis\0\0\0\0msf1",
        b"msf1\0\0\0\0avis",
    ] {
        let length = u32::try_from(8 + brands.len()).unwrap().to_be_bytes();
        let start = [&length[..], b"ftyp", brands].concat();
        assert_eq!(recognize(&start), Some(ImageFormat::Avif));
    }
    assert_eq!(process(b"").unwrap_err(), EMPTY);
    assert_eq!(
        process(&vec![0; MAX_COVER_BYTES + 1]).unwrap_err(),
        Refused::TooLarge
    );
}

#[test]
fn a_jpeg_with_an_orientation_is_turned_and_has_no_metadata() {
    let plain = file(ImageFormat::Jpeg, &picture(64, 32));
    // Orientation 6: to be turned by 90 degrees clockwise.
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let comment = b"\xff\xfe\x00\x08secret";
    let tagged = [&plain[..2], exif, comment, &plain[2..]].concat();
    let cover = process(&tagged).unwrap();
    let served = image::load_from_memory(&cover.image).unwrap();
    assert_eq!((served.width(), served.height()), (32, 64));
    let top = served.get_pixel(16, 8);
    assert!(top[0] > 150 && top[2] < 100, "{top:?}");
    for name in [&b"Exif"[..], b"secret"] {
        assert!(!cover.image.windows(name.len()).any(|window| window == name));
    }
    let without = [&plain[..2], comment, &plain[2..]].concat();
    let cover = process(&without).unwrap();
    assert!(cover.image.len() < without.len());
}

/// Guarantee 78.
#[test]
fn an_image_that_says_it_is_large_is_refused_before_it_is_decoded() {
    let mut png = file(ImageFormat::Png, &picture(10, 10));
    png.splice(16..24, [0, 0, 0x20, 0, 0, 0, 0x20, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&png[12..29]);
    png.splice(29..33, checksum.sum().to_be_bytes());
    assert_eq!(process(&png).unwrap_err(), TOO_MANY_PIXELS);
    let mut gif = file(ImageFormat::Gif, &picture(10, 10));
    gif.splice(6..10, [0xff, 0xff, 0xff, 0xff]);
    assert_eq!(process(&gif).unwrap_err(), TOO_MANY_PIXELS);
}

/// Guarantee 78.
#[test]
fn an_avif_that_names_more_parts_than_it_has_or_hides_data_is_refused() {
    let at = |kind: &[u8; 4]| AVIF.windows(4).position(|window| window == kind).unwrap();
    // The parts of items have no length: each takes no byte of the file, and there may be any number of them.
    let mut bomb = AVIF.to_vec();
    bomb[at(b"iloc") + 8] = 0;
    assert_eq!(process(&bomb).unwrap_err(), BROKEN);
    // Another box of data that no item names, and a sequence.
    let hidden = [AVIF, b"\0\0\0\x0cmdatPK\x03\x04"].concat();
    assert_eq!(process(&hidden).unwrap_err(), DATA_AFTER_END);
    let sequence = [AVIF, b"\0\0\0\x08moov"].concat();
    assert!(matches!(process(&sequence), Err(Refused::Invalid(_))));
    // Data behind the image in the last box, which then extends to the end of the file, isn't served.
    let mut open_end = AVIF.to_vec();
    open_end.splice(at(b"mdat") - 4..at(b"mdat"), [0; 4]);
    open_end.extend(b"PK\x03\x04");
    let served = process(&open_end).unwrap().image;
    assert!(!contains(&served, b"PK\x03\x04") && served == process(AVIF).unwrap().image);
}

/// Guarantee 78.
#[test]
fn a_webp_whose_bitmap_is_larger_than_it_says_is_refused_before_it_is_decoded() {
    let mut webp = file(ImageFormat::Webp, &picture(20, 30));
    let at = webp.windows(4).position(|window| window == b"VP8L").unwrap() + 8;
    assert_eq!(webp[at], 0x2f);
    webp.splice(at + 1..at + 5, 0x0fff_ffff_u32.to_le_bytes());
    assert_eq!(process(&webp).unwrap_err(), TOO_MANY_PIXELS);
}

/// Written by libavif, with an Exif item that names an artist, `secret place`.
const AVIF: &[u8] = include_bytes!("corpus/exif.avif");

fn contains(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

#[test]
fn an_avif_is_served_without_metadata() {
    assert!(contains(AVIF, b"secret place"));
    let cover = process(AVIF).unwrap();
    assert_eq!(cover.format, ImageFormat::Avif);
    assert!(cover.image.len() < AVIF.len() && cover.thumbnail.is_none());
    assert!(!contains(&cover.image, b"secret"));
    assert_eq!(recognize(&cover.image), Some(ImageFormat::Avif));
    for length in 0..AVIF.len() {
        assert!(process(&AVIF[..length]).is_err(), "{length} bytes");
    }
    for more in [&b"x"[..], b"PK\x03\x04", AVIF] {
        assert!(process(&[AVIF, more].concat()).is_err());
    }
    // A box whose length is wrong, and a size of 65,535 by 65,535 pixels.
    let at = AVIF.windows(4).position(|window| window == b"ispe").unwrap();
    let mut large = AVIF.to_vec();
    large.splice(at + 8..at + 16, [0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    assert_eq!(process(&large).unwrap_err(), TOO_MANY_PIXELS);
}

/// Guarantee 78.
#[test]
fn no_metadata_of_any_format_is_served() {
    let secret = b"secret place";
    // PNG: a text chunk before the image's data, with its checksum.
    let png = file(ImageFormat::Png, &picture(20, 30));
    let text = [&b"tEXtArtist\0"[..], secret].concat();
    let mut checksum = flate2::Crc::new();
    checksum.update(&text);
    let length = u32::try_from(text.len() - 4).unwrap().to_be_bytes();
    let chunk = [&length[..], &text, &checksum.sum().to_be_bytes()].concat();
    let png = [&png[..33], &chunk, &png[33..]].concat();
    // GIF: a comment and the data of an application before the trailer.
    let gif = file(ImageFormat::Gif, &picture(20, 30));
    let comment = [
        &b"\x21\xfe\x0c"[..],
        secret,
        b"\0\x21\xff\x0bXMP DataXMP\x0c",
        secret,
        b"\0",
    ]
    .concat();
    let end = gif.len() - 1;
    let gif = [&gif[..end], &comment, &gif[end..]].concat();
    // WebP: an XMP chunk.
    let webp = file(ImageFormat::Webp, &picture(20, 30));
    let mut webp = [&webp[..], b"XMP \x0c\0\0\0", secret].concat();
    let length = u32::try_from(webp.len() - 8).unwrap().to_le_bytes();
    webp.splice(4..8, length);
    for (format, tagged) in [
        (ImageFormat::Png, png),
        (ImageFormat::Gif, gif),
        (ImageFormat::Webp, webp),
    ] {
        assert!(contains(&tagged, secret));
        let cover = process(&tagged).unwrap_or_else(|refused| panic!("{format:?}: {refused:?}"));
        assert!(!contains(&cover.image, b"secret"), "{format:?}");
        let served = image::load_from_memory(&cover.image).unwrap();
        assert_eq!((served.width(), served.height()), (20, 30), "{format:?}");
    }
}

/// A GIF of this many frames of one pixel.
fn animation(frames: usize) -> Vec<u8> {
    let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let frame = b"\x21\xf9\x04\0\x0a\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [&head[..], &frame.repeat(frames), b"\x3b"].concat()
}

#[test]
fn an_animation_of_a_hundred_thousand_frames_is_accepted_or_refused_but_soon() {
    let cover = process(&animation(3)).unwrap();
    assert_eq!(cover.format, ImageFormat::Gif);
    let many = animation(100_000);
    assert!(many.len() < MAX_COVER_BYTES);
    assert!(process(&many).is_ok());
}

#[test]
fn every_kind_of_pixel_is_shown_in_a_thumbnail() {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};
    let gray = ImageBuffer::from_pixel(9, 9, Luma([0x80_u8]));
    let gray16 = ImageBuffer::from_pixel(9, 9, Luma([0x8000_u16]));
    let gray_alpha = ImageBuffer::from_pixel(9, 9, LumaA([0x80_u8, 0xff]));
    let rgb16 = ImageBuffer::from_pixel(9, 9, Rgb([0x8000_u16; 3]));
    let rgba16 = ImageBuffer::from_pixel(9, 9, Rgba([0x8000_u16, 0x8000, 0x8000, 0xffff]));
    for image in [
        DynamicImage::ImageLuma8(gray),
        DynamicImage::ImageLuma16(gray16),
        DynamicImage::ImageLumaA8(gray_alpha),
        DynamicImage::ImageRgb16(rgb16),
        DynamicImage::ImageRgba16(rgba16),
    ] {
        let mut png = std::io::Cursor::new(Vec::new());
        image.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let cover = process(&png.into_inner()).unwrap();
        let thumbnail = image::load_from_memory(&cover.thumbnail.unwrap()).unwrap();
        let pixel = thumbnail.get_pixel(4, 4);
        assert!(
            (120..=136).contains(&pixel[0]) && (120..=136).contains(&pixel[2]),
            "{pixel:?}"
        );
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(300))]

    /// Guarantee 78: whatever bytes a file has, it is accepted or refused, without a panic; and what is served is accepted again.
    #[test]
    fn any_change_of_an_image_is_accepted_or_refused(
        format in proptest::sample::select(vec![0_usize, 1, 2, 3, 4, 5]),
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..6),
        cut in proptest::option::of(proptest::prelude::any::<proptest::sample::Index>()),
    ) {
        let mut changed = match format {
            4 => AVIF.to_vec(),
            5 => animation(3),
            n => file(DECODED[n], &picture(16, 12)),
        };
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        if let Some(cut) = cut {
            changed.truncate(cut.index(changed.len()) + 1);
        }
        if let Ok(cover) = process(&changed) {
            let again = process(&cover.image).map(|again| again.format);
            proptest::prop_assert_eq!(again, Ok(cover.format));
        }
    }
}
