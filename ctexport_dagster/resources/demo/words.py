"""The words that demo profiles are made of: names in several scripts, cities with their places, and the like."""

GIVEN = (
    "Aarav", "Ada", "Alejandra", "Amélie", "André", "Anna-Lena", "Bjørn", "Chloé", "Dmitry", "Elif", "Fatima", "Grace",
    "Grzegorz", "Hana", "Ibrahim", "İpek", "Jürgen", "Kwame", "Lakshmi", "Łukasz", "María José", "Mei", "Nguyễn",
    "Ólafur", "Priya", "Renée", "Sean", "Siobhán", "Søren", "Zoë", "आरव", "प्रिया", "Дмитрий", "Анна", "Ελένη", "Νίκος",
    "محمد", "فاطمة", "נועה", "דוד", "美咲", "翔太", "伟", "秀英", "지민", "서연", "สมชาย", "தமிழ்", "Sunny ☀️", "Max 🚀",
)  # fmt: skip
FAMILY = (
    "Almeida", "Björk", "Chaudhary", "D'Souza", "de la Cruz", "Eriksson", "Fernández", "García Márquez", "Hansen",
    "Iyer", "Jóhannsdóttir", "Khan", "Kowalski", "Lovelace", "Müller", "Nakamura", "O'Brien", "Österreicher", "Patel",
    "Quispe", "Rao", "Şahin", "Smith, Jr.", "Tremblay", "Ullmann", "van den Berg", "Weiß", "Ximenes", "Yılmaz",
    "Żółtowski", "शर्मा", "पटेल", "Иванов", "Петрова", "Παπαδόπουλος", "الحسن", "כהן", "佐藤", "鈴木", "王", "李", "김",
    "박", "สุขใจ", "குமார்",
)  # fmt: skip
CITIES = (
    ("Mumbai", 19.076, 72.8777), ("Bengaluru", 12.9716, 77.5946), ("São Paulo", -23.5505, -46.6333),
    ("Zürich", 47.3769, 8.5417), ("東京", 35.6762, 139.6503), ("Москва", 55.7558, 37.6173),
    ("القاهرة", 30.0444, 31.2357), ("New York", 40.7128, -74.006), ("Reykjavík", 64.1466, -21.9426),
    ("Nairobi", -1.2921, 36.8219), ("Sydney", -33.8688, 151.2093), ("München", 48.1351, 11.582),
)  # fmt: skip
GENDERS = ("F", "M", "X")
CUSTOMER_TYPES = ("Retail", "Wholesale", "VIP", "Trial")
PLANS = ("Free", "Basic", "Plus", "Pro", "Família")
BLOOD_GROUPS = ("A+", "A-", "B+", "B-", "AB+", "AB-", "0+", "0-")
DESIGNATIONS = ("Engineer", "Nurse", "Teacher", "Chef", "Pilot", "Student", "Artist 🎨")
GAMES = ("Chess", "Ludo", "Cricket 🏏", "Go", "Carrom", "Mau-Mau", "Kabaddi")
INTERESTS = ("music", "travel", "food & drink", "sci-fi", "garden", "yoga")
TIERS = ("bronze", "silver", "gold", "platinum")
NOTES = (
    'said "call later"', "likes tea, not coffee", "two\nlines", "tab\there", "semi;colon", "naïve café",
    "", "<b>&amp;</b>", "50 % off, \\ backslash", "\N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL} family plan",
)  # fmt: skip
AREA_CODES = ("202", "212", "305", "312", "404", "415", "512", "617", "702", "713", "808", "907")
