/** Who generated posts are by; all fields are JSON text already. */
export interface Author {
  readonly id: string;
  readonly did: string;
  readonly handle: string;
  readonly name: string;
}

const NAMES = [
  "Ada",
  "Grace Hopper 🛰️",
  "村上さくら",
  "محمد",
  "Zoë Łukaszewicz",
  'Bo "the box" Ek',
  "नेहा",
  "Иван",
  "שירה",
  "O'Neil \\ Co",
  "한지민",
  "Ngọc Ánh",
  "🐙",
  "",
];

export const authors: readonly Author[] = Array.from({ length: 500 }, (_, index) => ({
  id: String(3_000_000_000 + index * 7_919),
  did: `did:plc:${(index * 104_729 + 1).toString(36).padStart(24, "a")}`,
  handle: `writer_${index}`,
  name: jsonText(NAMES[index % NAMES.length] ?? ""),
}));

/** Words by language; some are right to left, some need four bytes, some are joined emoji. */
export const phrases: readonly { readonly lang: string; readonly words: readonly string[] }[] = [
  voice(
    "en",
    "the river rises again tonight and nobody on the bridge knows why it's so loud 🌊 💡",
  ),
  voice("en", "shipping a small fix today: fewer moving parts, more sleep & better coffee ☕ 🚀"),
  voice("de", "Brücken über die Spree größer schöner früher müde Straße für alle Züge 🚆"),
  voice("fr", "l'été où la forêt brûlait déjà très près du château français « voilà » 🔥"),
  voice("es", "mañana la niña comerá piñas y contará otra canción ¿verdad? ¡sí! 🍍"),
  voice("ja", "橋 の 上 で 待って います 今日 は とても いい 天気 です ね 🌸 🗾"),
  voice("zh", "今天 的 桥 上 有 很多 人 数据 流 得 很 快 𠮷 𡃁 🐉"),
  voice("ko", "오늘 다리 위에 사람이 정말 많아요 데이터가 흐른다 🎈"),
  voice("ar", "الجسر فوق النهر مزدحم اليوم والبيانات تتدفق بسرعة ‏ 🌙"),
  voice("he", "הגשר מעל הנהר עמוס היום והנתונים זורמים מהר ‎ 🕊️"),
  voice("hi", "पुल पर आज बहुत भीड़ है और आँकड़े तेज़ी से बहते हैं 🪔"),
  voice("ru", "мост через реку сегодня полон людей и данные текут быстро ❄️"),
  voice("th", "สะพาน ข้าม แม่น้ำ วันนี้ คน เยอะ มาก ข้อมูล ไหล เร็ว 🐘"),
  voice("und", "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 🇯🇵 😂 ❤️ 🔥 🙏 🎉 🤖 𝒳 𝔘"),
];

/** Hashtags without #; more than any post has. */
export const hashtags: readonly string[] = [
  "hybridge",
  "kafka",
  "データ",
  "brücke",
  "नदी",
  "جسر",
  "мост",
  "bigdata",
  "cloud",
  "onprem",
  "streaming",
  "café",
  "다리",
  "桥",
  "opensource",
  "Monday",
  "news",
  "nowplaying",
  "𝒳",
];

/**
 * What breaks careless readers, in JSON's escaped form: quotes, backslashes, control characters,
 * line separators, NUL and lone surrogates (legal as escapes in JSON, storable nowhere).
 */
export const oddities: readonly string[] = [
  String.raw`\"quoted\"`,
  String.raw`back\\slash`,
  String.raw`line\nbreak\r\nagain`,
  String.raw`tab\tand\u0001control`,
  String.raw`line\u2028separator`,
  String.raw`escaped \ud83d\ude00 pair`,
  String.raw`lone \ud83d surrogate`,
  String.raw`nul \u0000 inside`,
  String.raw`slash \/ and &amp; entity`,
  "‮reversed‬",
  "e\u0301 combining",
  "https://example.org/a?b=c&d=%20",
  "=cmd('calc')",
  "'; drop table tweets; --",
  "null",
];

function voice(lang: string, words: string): { lang: string; words: readonly string[] } {
  return { lang, words: words.split(" ").map(jsonText) };
}

/** The text as it stands between the quotes of JSON. */
function jsonText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
