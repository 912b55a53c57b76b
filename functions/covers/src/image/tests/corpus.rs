//! Files that other programs wrote: libjpeg-turbo, libwebp, libavif, gifsicle and Pillow. All show the same picture.

use super::super::*;

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_bytes!(concat!("../corpus/", $name)))),*] };
}

pub(super) const FILES: &[(&str, &[u8])] = files! {
    "444.jpg" "alpha.avif" "alpha.webp" "animated.avif" "animated.gif" "animated.webp" "baseline.jpg" "cmyk.jpg"
    "exif.avif" "gray.jpg" "grid.avif" "groups.webp" "interlaced.gif" "lossless.webp" "lossy.webp" "palette.png"
    "palette.webp" "progressive.jpg" "raw-alpha.webp" "restart.jpg" "sampled.jpg" "segments.webp" "still.avif"
    "still.gif"
};

/// An sRGB profile, written by Little CMS.
pub(super) const PROFILE: &[u8] = include_bytes!("../corpus/srgb.icc");

pub(super) fn corpus(name: &str) -> Vec<u8> {
    FILES.iter().find(|(known, _)| *known == name).unwrap().1.to_vec()
}

pub(super) fn at(file: &[u8], bytes: &[u8]) -> usize {
    file.windows(bytes.len())
        .position(|window| window == bytes)
        .unwrap()
}

/// Decodes an image without the readers of this module.
fn pixels(file: &[u8]) -> DynamicImage {
    ::image::load_from_memory(file).unwrap()
}

#[test]
fn what_other_programs_wrote_is_served_with_equal_pixels() {
    for (name, file) in FILES {
        let cover = process(file).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        assert!(cover.image.len() <= file.len() + 1000, "{name}");
        if cover.format == ImageFormat::Avif {
            continue;
        }
        assert_eq!(pixels(&cover.image), pixels(file), "{name}");
        let again = process(&cover.image).unwrap();
        assert!(again.image == cover.image, "{name} changes when it is read again");
        assert!(again.thumbnail == cover.thumbnail, "{name}");
    }
}

#[test]
fn every_frame_of_an_animation_is_served_with_equal_pixels() {
    use ::image::{AnimationDecoder as _, codecs::gif::GifDecoder, codecs::webp::WebPDecoder};
    let gif = corpus("animated.gif");
    let frames = |file: &[u8]| {
        let decoder = GifDecoder::new(std::io::Cursor::new(file.to_vec())).unwrap();
        decoder
            .into_frames()
            .map(|frame| frame.unwrap().into_buffer())
            .collect::<Vec<_>>()
    };
    assert_eq!(frames(&gif).len(), 4);
    assert!(frames(&process(&gif).unwrap().image) == frames(&gif));
    let webp = corpus("animated.webp");
    let frames = |file: &[u8]| {
        let decoder = WebPDecoder::new(std::io::Cursor::new(file.to_vec())).unwrap();
        decoder
            .into_frames()
            .map(|frame| frame.unwrap().into_buffer())
            .collect::<Vec<_>>()
    };
    assert_eq!(frames(&webp).len(), 4);
    assert!(frames(&process(&webp).unwrap().image) == frames(&webp));
}

#[test]
fn an_animated_avif_is_served_as_its_still_image() {
    let file = corpus("animated.avif");
    let cover = process(&file).unwrap();
    assert_eq!((cover.format, cover.thumbnail), (ImageFormat::Avif, None));
    for kind in [&b"moov"[..], b"trak", b"avis", b"msf1", b"AOM Coding"] {
        assert!(file.windows(kind.len()).any(|window| window == kind));
        assert!(!cover.image.windows(kind.len()).any(|window| window == kind));
    }
    // The first frame is the still image, and its data is all that is left.
    assert_eq!(
        &cover.image[at(&cover.image, b"mdat") + 4..],
        &file[0x3ed..0x3ed + 0x39b]
    );
    let without = at(&file, b"meta");
    let mut sequence = file.clone();
    sequence.splice(without..without + 4, *b"skip");
    let Err(Refused::Invalid(message)) = process(&sequence) else {
        panic!("an animation without a still image is accepted");
    };
    assert_eq!(
        message,
        "The AVIF is an animation without a still image. Send a still image."
    );
}

#[test]
fn an_avif_keeps_its_alpha_channel_and_the_parts_of_its_grid() {
    for (name, kinds) in [
        ("alpha.avif", [&b"auxl"[..], b"auxC"]),
        ("grid.avif", [b"dimg", b"grid"]),
    ] {
        let file = corpus(name);
        let cover = process(&file).unwrap();
        for kind in kinds {
            assert!(
                cover.image.windows(kind.len()).any(|window| window == kind),
                "{name}"
            );
        }
        assert_eq!(process(&cover.image).unwrap().image, cover.image, "{name}");
    }
}

#[test]
fn a_jpeg_of_a_kind_that_browsers_do_not_show_is_refused() {
    assert!(matches!(
        process(include_bytes!("../corpus/arithmetic.jpg")),
        Err(Refused::Invalid(_))
    ));
    // Motion and multi-picture JPEGs: another image, or a film, after the end.
    let jpeg = corpus("baseline.jpg");
    let part = b"\xff\xe2\x00\x06MPF\0";
    for more in [&jpeg[..], b"\0\0\0\x1cftypmp42\0\0\0\0"] {
        let file = [&jpeg[..2], part, &jpeg[2..], more].concat();
        assert_eq!(process(&file).unwrap_err(), DATA_AFTER_END);
    }
}
