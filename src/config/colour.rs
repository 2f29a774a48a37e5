//! Colours: contrast, and the nearest readable colour of a 16- or 256-colour palette.

use std::sync::LazyLock;

use ratatui::style::Color;

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// The number of colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Palette {
    /// No colours, only bold, underlined and reversed text: `NO_COLOR`, or a terminal without colours.
    None,
    Ansi16,
    Indexed256,
    Rgb,
}

impl Palette {
    /// Detects the palette from the environment. `NO_COLOR` counts if it is not empty (no-color.org).
    /// crossterm's own handling of it also drops other attributes, so the terminal code turns that off.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Palette {
        let get = |name| env(name).unwrap_or_default();
        let term = get("TERM");
        if !get("NO_COLOR").is_empty() || term == "dumb" || term.is_empty() {
            return Palette::None;
        }
        if matches!(get("COLORTERM").as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
            return Palette::Rgb;
        }
        if term.contains("256color") {
            return Palette::Indexed256;
        }
        if term.starts_with("vt1") || term.starts_with("vt2") || term.ends_with("-mono") {
            return Palette::None;
        }
        Palette::Ansi16
    }
}

impl Rgb {
    /// Parses `#rrggbb` or `#rgb`.
    pub fn parse(text: &str) -> Option<Rgb> {
        let digits = text.strip_prefix('#')?;
        let value =
            u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        match digits.len() {
            6 => Some(Rgb((value >> 16) as u8, (value >> 8) as u8, value as u8)),
            3 => {
                let wide = |shift: u32| ((value >> shift) & 0xf) as u8 * 0x11;
                Some(Rgb(wide(8), wide(4), wide(0)))
            }
            _ => None,
        }
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2).
    pub fn luminance(self) -> f64 {
        let [r, g, b] = self.linear();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn linear(self) -> [f64; 3] {
        [self.0, self.1, self.2].map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// The colour in Oklab (Ottosson 2020), where distance matches perception.
    fn oklab(self) -> [f64; 3] {
        let [r, g, b] = self.linear();
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        ]
    }
}

/// Contrast ratio, 1 to 21 (WCAG 2.2).
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    ratio(a.luminance(), b.luminance())
}

fn ratio(a: f64, b: f64) -> f64 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// The 16 ANSI colours as xterm shows them. Other terminals show other shades, so no meaning may depend on
/// the exact shade.
const ANSI: [(Color, Rgb); 16] = [
    (Color::Black, Rgb(0x00, 0x00, 0x00)),
    (Color::Red, Rgb(0xcd, 0x00, 0x00)),
    (Color::Green, Rgb(0x00, 0xcd, 0x00)),
    (Color::Yellow, Rgb(0xcd, 0xcd, 0x00)),
    (Color::Blue, Rgb(0x00, 0x00, 0xee)),
    (Color::Magenta, Rgb(0xcd, 0x00, 0xcd)),
    (Color::Cyan, Rgb(0x00, 0xcd, 0xcd)),
    (Color::Gray, Rgb(0xe5, 0xe5, 0xe5)),
    (Color::DarkGray, Rgb(0x7f, 0x7f, 0x7f)),
    (Color::LightRed, Rgb(0xff, 0x00, 0x00)),
    (Color::LightGreen, Rgb(0x00, 0xff, 0x00)),
    (Color::LightYellow, Rgb(0xff, 0xff, 0x00)),
    (Color::LightBlue, Rgb(0x5c, 0x5c, 0xff)),
    (Color::LightMagenta, Rgb(0xff, 0x00, 0xff)),
    (Color::LightCyan, Rgb(0x00, 0xff, 0xff)),
    (Color::White, Rgb(0xff, 0xff, 0xff)),
];

/// The RGB of an indexed colour from 16 on: the 6×6×6 cube and the grey ramp of every 256-colour terminal.
pub(crate) fn indexed(index: u8) -> Rgb {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    if index >= 232 {
        let grey = 8 + (index - 232) * 10;
        return Rgb(grey, grey, grey);
    }
    let cube = usize::from(index.saturating_sub(16));
    Rgb(STEPS[cube / 36 % 6], STEPS[cube / 6 % 6], STEPS[cube % 6])
}

/// A colour the terminal can show, with the values needed to choose it.
struct Shade {
    colour: Color,
    rgb: Rgb,
    lab: [f64; 3],
    luminance: f64,
}

impl Shade {
    fn new(colour: Color, rgb: Rgb) -> Shade {
        Shade { colour, rgb, lab: rgb.oklab(), luminance: rgb.luminance() }
    }
}

/// The colours to choose from; empty if the terminal shows exact colours or none.
fn shades(palette: Palette) -> &'static [Shade] {
    static INDEXED: LazyLock<Vec<Shade>> =
        LazyLock::new(|| (16..=255).map(|i| Shade::new(Color::Indexed(i), indexed(i))).collect());
    static SIXTEEN: LazyLock<Vec<Shade>> =
        LazyLock::new(|| ANSI.iter().map(|(colour, rgb)| Shade::new(*colour, *rgb)).collect());
    match palette {
        Palette::Indexed256 => &INDEXED,
        Palette::Ansi16 => &SIXTEEN,
        Palette::None | Palette::Rgb => &[],
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The terminal's colour for a background, and its RGB.
pub fn background(colour: Rgb, palette: Palette) -> Option<(Color, Rgb)> {
    if palette == Palette::Rgb {
        return Some((Color::Rgb(colour.0, colour.1, colour.2), colour));
    }
    let lab = colour.oklab();
    shades(palette)
        .iter()
        .min_by(|a, b| distance(lab, a.lab).total_cmp(&distance(lab, b.lab)))
        .map(|shade| (shade.colour, shade.rgb))
}

/// The text colour for a chosen background: the nearest colour with the original's contrast, or at least 4.5.
///
/// With 16 colours, a hue that is unreadable on that background becomes black or white: a wrong hue would
/// mislead, and a glyph carries the meaning too.
pub fn foreground(colour: Rgb, on: Rgb, shown_on: Rgb, palette: Palette) -> Option<Color> {
    let lab = colour.oklab();
    let wanted = contrast(colour, on).min(4.5);
    let ground = shown_on.luminance();
    let readable = shades(palette).iter().filter(|shade| ratio(shade.luminance, ground) >= wanted);
    match palette {
        Palette::None => None,
        Palette::Rgb => Some(Color::Rgb(colour.0, colour.1, colour.2)),
        Palette::Indexed256 => readable
            .min_by(|a, b| distance(lab, a.lab).total_cmp(&distance(lab, b.lab)))
            .map(|shade| shade.colour),
        Palette::Ansi16 => {
            let grey = |lab: [f64; 3]| lab[1].hypot(lab[2]) < 0.045;
            // The hue comes before the lightness, so that a pale green does not become yellow.
            let far = |other: [f64; 3]| {
                distance(lab, other) + if grey(lab) { 0.0 } else { 4.0 * (1.0 - hue_likeness(lab, other)) }
            };
            readable
                .filter(|shade| grey(lab) == grey(shade.lab))
                .filter(|shade| grey(lab) || hue_likeness(lab, shade.lab) > 0.766)
                .min_by(|a, b| far(a.lab).total_cmp(&far(b.lab)))
                .map(|shade| shade.colour)
                .or(Some(if ground > 0.18 { Color::Black } else { Color::White }))
        }
    }
}

/// The cosine of the angle between two hues: 1 for equal hues, 0.766 for 40°.
fn hue_likeness(a: [f64; 3], b: [f64; 3]) -> f64 {
    let lengths = a[1].hypot(a[2]) * b[1].hypot(b[2]);
    if lengths == 0.0 { 0.0 } else { (a[1] * b[1] + a[2] * b[2]) / lengths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_the_one_of_the_standard() {
        let (black, white) = (Rgb(0, 0, 0), Rgb(255, 255, 255));
        assert!((contrast(black, white) - 21.0).abs() < 1e-9);
        // #767676 is the lightest grey with contrast 4.5 on white.
        assert!(contrast(Rgb(0x76, 0x76, 0x76), white) >= 4.5);
        assert!(contrast(Rgb(0x77, 0x77, 0x77), white) < 4.5);
    }

    #[test]
    fn hex_is_read_strictly() {
        assert_eq!(Rgb::parse("#ff8000"), Some(Rgb(255, 128, 0)));
        assert_eq!(Rgb::parse("#f80"), Some(Rgb(255, 136, 0)));
        for bad in ["ff8000", "#ff80", "#ggg", "#+12345", "#", "#ffffff0", "#é"] {
            assert_eq!(Rgb::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn exact_palette_colours_stay_themselves() {
        for index in 16..=255u8 {
            let (colour, shown) = background(indexed(index), Palette::Indexed256).unwrap();
            assert_eq!(shown, indexed(index));
            assert!(matches!(colour, Color::Indexed(i) if indexed(i) == shown));
        }
        assert_eq!(background(Rgb(0, 0, 0), Palette::Ansi16).unwrap().0, Color::Black);
    }

    #[test]
    fn sixteen_colours_keep_hue_or_give_way_to_plain() {
        let (black, white) = (Rgb(0, 0, 0), Rgb(255, 255, 255));
        let on = |text, ground| foreground(text, ground, ground, Palette::Ansi16);
        assert_eq!(on(Rgb(0xff, 0x6b, 0x6b), black), Some(Color::LightRed));
        let green = on(Rgb(0x7e, 0xe0, 0x8a), black);
        assert!(matches!(green, Some(Color::Green | Color::LightGreen)), "{green:?}");
        // None of the 16 colours is a green that is readable on white.
        assert_eq!(on(Rgb(0x00, 0x66, 0x22), white), Some(Color::Black));
    }

    #[test]
    fn the_environment_decides_how_many_colours() {
        let detect = |vars: &[(&str, &str)]| {
            Palette::detect(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        let term = ("TERM", "xterm-256color");
        assert_eq!(detect(&[term]), Palette::Indexed256);
        assert_eq!(detect(&[term, ("COLORTERM", "truecolor")]), Palette::Rgb);
        assert_eq!(detect(&[term, ("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Palette::None);
        assert_eq!(detect(&[term, ("NO_COLOR", "")]), Palette::Indexed256);
        assert_eq!(detect(&[("TERM", "dumb")]), Palette::None);
        assert_eq!(detect(&[("TERM", "linux")]), Palette::Ansi16);
        assert_eq!(detect(&[("TERM", "screen")]), Palette::Ansi16);
        assert_eq!(detect(&[("TERM", "vt100")]), Palette::None);
        assert_eq!(detect(&[]), Palette::None);
    }
}
