"""Honest names of bars, venues and choirs in many languages stay possible; nearly none passes for the platform's."""

# ruff: noqa: RUF001 — they are in all scripts

import pytest

from singr_config.names import PublicNameError, check_public_name

HONEST = """
The Blue Note | Ronnie's Bar | Singer's Bar | Singers United | The Singing Grill | Sing Right
Sing Sing | Sing-Along Saloon | Sing Star Lounge | Sing Room | Sing-Room | Sing & Roll
Sing, Rock & Roll | Sing n Roll | Singing Rooster | Sing Ria | Singapore Sling | Singapore Rooftop
Singha Bar | Singh's Restaurant | Singles Ranch | Single Room Only | The Dressingroom
Dressing Room Karaoke | Kissing Rooms | Kissingroom | Blessing Restaurant | The Crossing
Crossingroad Pub | Cruising Radio | Rising Star | Rising Sun Inn | Rockin' Robin | Sin Rival
Sin City Karaoke | Signor Rossi | Signore | Signature Room | Ginger's | Ginger Rogers | Stringer's
Springer's Tavern | Swinger Club | Winger | Zinger Bar | Hinge & Ring | King's Ring | The Ringers
Sinner's Ranch | Sirens | Syringa Bar | Sing King | Songr | Singularity | Singular Grill
Sinigrove | Singgasana | Sing Ramen | Singleton Arms | Messingring | Zum Messingring | Messinghaus
Die Singrunde | Singende Runde | Sängerheim | Gasthaus zum Sänger | Sängerrunde Wien
Chor der Donau | Zur Singenden Rose | Singkreis Rheinau | Café Müller | Kneipe 1900 | Bar 54
Studio 54 | Club 69 | Bar 95 | Bar$ | Ca$h Bar | Cafe @ Night | Ke$ha Fans | P!nk Lounge
Wow! Karaoke | ¡Canta! | ¡Sing! | Sing! | Sing! Right! | ¡Olé! | Sin Nombre | Sin Gracia
Sin Gravedad | Sin Grilletes | El Sin Rumbo | Cantina La Singular | Bar Cantante | Le Chanteur
Chez Régine | Sous le Signe du Rire | Au Signal Rouge | Signes & Rires | Cantare Ristorante
Il Singolo | Singolare Ristorante | Canta Roma | Sala Sing | O Cantor | Samba Rio | Śpiewaj Razem
Bar Śpiewak | Śpiewający Rak | Zpívej | Énekelj Velünk | Cântă cu Noi | Syng med | Syngeren
Syngr | Sjung Runt | Sångare | Zingen Rotterdam | De Zingende Roos | Laula Ravintola | Şarkı Söyle
Singir Bar | Sınır Bar | Sinğer | Караоке Бар | Караоке Синг | Пой со мной | Песня | Сингл Рум
Сингер | Кафе Wine | Ресторан Сингапур | Студия Гринс | Певец | Співай Разом
Караоке-бар «Соловей» | Пиг и Гриль | Караоке Стрг | България Пее | Пей с нас | Српски Певач
Ѕвезда | Ѕвезди Караоке | Τραγούδι | Ταβέρνα ο Νίκος | Μπουζούκια | Σιγά σιγά | Καραόκε Σταρ
Σίγουρα | Το Στέκι | كاريوكي النجوم | مطعم الغناء | کتاب‌خانه | مقهى الفن | قهوة زمان
מועדון השיר | בר קריוקי | שיר בר | カラオケ館 | カラオケ まねきねこ | ビッグエコー | 歌広場
カラオケの鉄人 | スナック 歌 | シンガー | シング | うたひろば | ジャンカラ | コート・ダジュール
刀削麺 | 尺八ハウス | カラオケ☆スター | Sin☆Rock Bar | ｶﾗｵｹ | 北京卡拉OK | 好乐迪 | 钱柜 | 麦霸
台北KTV | 唱歌吧 | 一九八四 | 丨歌 | 노래방 | 코인노래방 | 싱싱노래방 | สิงห์คาราโอเกะ | ร้านเพลง
เสียงเพลง | ภัตตาคาร | คาราโอเกะ | Quán Karaoke Sông Hồng | Hát Cho Vui | क्‍ष | गायक बार | सिंगर
গান ঘর | பாடல் | పాట | ಹಾಡು | ხმა ბარი | სიმღერა | Երգիր | Կարաոկե | ዘፋኝ ቤት | አዲስ ካራኦኬ | ᎠᏂᏃᎩᏍᎩ
ᓂᐅᕐᕕᒃ | 🎤 Karaoke 🎤 | 🎤🎶🎵 | 👩‍🎤 Karaoke ❤️ | ⭐Star⭐Bar | 🇸🇮 Bar | 🇳🇬 Lagos Nights
🇸🇬 Karaoke | 🅱️ar | ★ Rock ★ | ♪♫♬ | Sing♪ | Sing 🎤 Right | Sing®ing | Blessing®
Advertising® Co | Rock® | Karaoke™ | No. 1 Karaoke | Nº 1 | 1st Avenue | Bar 1 | Room 5
51 Degrees | Bar 51 N | 5 Guys | 9 Lives | S1 | SG Bar | S.I.N. Lounge | S & R | Sin & Rum
Sin&Rum | Sin'n'Roll | S.R. | A B C | T.G.I. Friday's | R&B | K-Pop Sing | Singa Karaoke | Singa
Smule Fans | StarMaker | Sing It Loud | SingIt | Sing2Me | Sing4Fun | Sing4Joy | SingSnap
Singing Bowl | Singing Rain | Singing Ridge | Sing-Rite | Sing Rosa Sing | Rosa Sing | Las Rosas
Housing Rental | Leasingring | Nursing Home Choir | Fundraising Runners | Pub Sign & Rose
Sign of the Ring | Singsaal | Singschule | Singerie | La Singerie | Le Singe Rieur
Le Singe Rouge | Singe & Rose | Singe en Hiver | Singerman | Sinterklaas | Singen am Rhein
Hotel Singen | Kreis Singen | Signgrafik | Sinfonie | Siegner | Siggi's | Sigrid | Ingrid's Bar
Sigrid & Ingrid | Ingrid | Signy | Sindri | Singoalla | Singvogel | Singvögel | Singspiel
Singstar | Sing Star 2000 | Siren Grill | Rising Grill | Raising Grain | The Singing Realtor
Singing River | Single R Ranch | Using R | Sing R Us | Rings | Grins | Grin Grin | Sprinter
Ringside | Gringo's | Gringos | Los Gringos | El Gringo | Zum Singenden Ritter
"""
NAMES = [name.strip() for line in HONEST.strip().splitlines() for name in line.split(" | ")]


def test_names_of_honest_venues_are_taken() -> None:
    assert len(NAMES) >= 300
    refused = []
    for name in NAMES:
        try:
            check_public_name(name, ("Singr", "singrkaraoke"))
        except PublicNameError as error:
            refused.append((name, error.message))
    assert refused == []


@pytest.mark.parametrize("name", ["Singroom Köln", "SINGROOM", "Singrunde Neukölln", "Singrauli Sangeet"])
def test_words_that_begin_like_the_platforms_name_are_words(name: str) -> None:
    check_public_name(name, ("Singr",))
    with pytest.raises(PublicNameError):
        check_public_name(name, (name.split(maxsplit=1)[0],))
