"""Write the list of common passwords that singr-auth ships: `python scripts/write_password_blocklist.py`.

The list is composed here, from words and walks over the keyboard that people are known to choose, in the patterns that
they are known to use. No list of another project, and no leaked password, is copied. The policy takes capitals and
look-alike characters (p@ssw0rd) back before it compares, so the list is in small letters.
"""

from pathlib import Path

TARGET = Path(__file__).parents[1] / "packages/singr-auth/src/singr_auth/_passwords/_common_passwords.txt"
SHORTEST_PART = 4
SHORTEST_WHOLE = 8

HEAD = """\
# Passwords and parts of passwords that everybody tries first. Composed by scripts/write_password_blocklist.py from
# common words, names and keyboard walks: change it there. Small letters, sorted, each once.
"""

# What people answer when they are asked for a password, and what they do with the keyboard
HABITS = """
password passwd passwort passw passe parola parol senha contrasena contrasenia motdepasse wachtwoord haslo heslo sifre
losenord salasana jelszo matkhau katasandi secret secreto segredo geheim geheimnis secure security private access
login logon signin signup account admin administrator root toor superuser superman user username usuario guest test
tester testing default changeme change changeit letmein openup opensesame sesame unlock enter entrar welcome welkom
willkommen bienvenue bienvenido benvenuto hello helloworld hallo hola bonjour privet master manager system server
computer internet network windows linux ubuntu debian android iphone samsung google gmail yahoo hotmail facebook
twitter instagram youtube whatsapp linkedin microsoft apple amazon netflix spotify oracle cisco database mysql
postgres backup temp temporary demo sample example whatever nothing something nopass nopassword mypassword mypass
yourpassword thepassword newpassword oldpassword onepassword passcode passphrase passkey keyword codeword magicword
trustno trustme iamgod godmode letmeinnow abc abcd abcdef abcabc qwerty qwertz azerty qazwsx wsxedc zaqwsx asdf asdfgh
zxcv zxcvbn qwer qwert qweasd qweasdzxc poiuyt lkjhgf mnbvcx iloveyou iloveu loveyou loveme iloveme ihateyou teamo
tequiero jetaime tiamo woaini ichliebedich seniseviyorum kochamcie anhyeuem sayang mahalko bismillah allah inshallah
godisgood jesus jesuschrist jesus1 christ blessed blessing heaven angel faith trust hope grace amen church prayer
believe forever always family friends friend bestfriend mother father mommy daddy brother sister baby babyboy babygirl
honey sweetheart sweety sweetie darling lover lovely love loves loving princess prince queen king kingdom knight
warrior hunter killer ninja samurai dragon phoenix unicorn pegasus monster vampire zombie wizard magic merlin gandalf
frodo legolas hobbit matrix starwars startrek skywalker vader yoda jedi darthvader batman spiderman ironman superhero
joker robin pokemon pikachu charizard naruto sasuke goku vegeta dragonball onepiece sailormoon doraemon minecraft
fortnite roblox callofduty warcraft starcraft counterstrike assassin halo zelda mario luigi nintendo playstation xbox
gamer gaming player football futbol fussball soccer baseball basketball hockey tennis golf golfer rugby cricket boxing
wrestling skater skateboard surfing surfer snowboard swimming running racing ferrari porsche mercedes bmw mustang
corvette camaro chevrolet chevy toyota honda yamaha suzuki kawasaki ducati harley davidson audi volkswagen ford jaguar
maserati lamborghini bugatti cobra viper eagle falcon hawk wolf wolves tiger tigger lion panther leopard cheetah bear
bears grizzly panda monkey gorilla elephant giraffe zebra horse horses pony dolphin dolphins shark whale turtle snake
spider scorpion butterfly ladybug kitty kitten hellokitty pussy puppy doggy dog dogs cat cats bunny rabbit hamster
chicken turkey rooster piglet winnie pooh snoopy garfield scooby scoobydoo mickey minnie donald goofy disney simpson
homer bart shrek nemo barbie bratz cinderella tinkerbell peterpan alice wonderland sunshine sunflower sunset sunrise
moonlight moon star stars starlight shadow midnight darkness thunder lightning storm rainbow rain snow snowball winter
summer spring autumn fall sommer verano primavera invierno otono hiver printemps ocean river mountain forest flower
flowers rose roses daisy lily tulip orchid jasmine violet lavender butter cookie cookies chocolate candy sugar sweet
vanilla caramel coffee tea beer whisky whiskey vodka tequila wine pizza burger cheese banana apples orange lemon
cherry cherries strawberry blueberry raspberry peach mango coconut pineapple watermelon pumpkin potato tomato purple
pink yellow green blue red black white silver gold golden diamond crystal ruby emerald sapphire music musica guitar
piano violin drums drummer singer karaoke karaokenight karaokebar singr singrkaraoke microphone metallica nirvana
slipknot eminem tupac rihanna beyonce shakira madonna elvis beatles acdc ironmaiden rockstar rocknroll hiphop techno
dancer dancing party freedom liberty america american usa england london liverpool chelsea arsenal manchester manutd
mancity tottenham everton celtic rangers barcelona realmadrid madrid juventus milan inter roma napoli bayern dortmund
schalke benfica sporting porto ajax feyenoord galatasaray fenerbahce besiktas flamengo corinthians palmeiras santos
saopaulo gremio boca riverplate cruzeiro marseille lyon paris france germany deutschland spain espana italia italy
portugal brasil brazil mexico argentina colombia chile peru venezuela canada australia india indonesia malaysia
pakistan philippines vietnam thailand china japan tokyo korea istanbul russia moskva polska poland sweden norway
finland denmark holland amsterdam berlin hamburg newyork california losangeles chicago texas dallas boston yankees
redsox cowboys steelers packers patriots raiders broncos giants eagles lakers celtics bulls knicks dodgers cardinals
money dollar cash rich million millionaire lucky lucky7 winner champion success power energy strong nuclear rocket
mission danger dangerous trouble crazy stupid idiot loser fucker fuckyou fuckoff fuckme fuck shit bitch bastard
asshole bullshit sexy sexygirl hottie hotgirl playboy naughty pussycat cocacola pepsi adidas nike puma gucci chanel
school college university student teacher doctor nurse police soldier marine marines army navy airforce sniper captain
pirate viking gladiator spartan trojan hacker hacking cracker coder developer programmer software engineer science
physics chemistry biology history english january february march april june july august september october november
december monday tuesday wednesday thursday friday saturday sunday januar februar enero febrero marzo abril junio julio
agosto septiembre octubre noviembre diciembre montag dienstag mittwoch donnerstag freitag samstag sonntag lunes martes
jueves viernes sabado domingo birthday christmas halloween holiday vacation weekend schatz schatzi hase liebe liebling
engel teufel ficken scheisse katze hund mausi sonne mond stern blume amor amore amour corazon bonita bonito hermosa
princesa estrella mariposa morena guapa amigo amigos amiga soleil doudou chouchou loulou coucou amitie azertyuiop
cheval lapin chaton poisson fleur etoile lumiere ciao bella cucciolo tesoro stella farfalla angelo principessa gioia
natasha marina sveta nastya katya masha dasha ivanov privetik lubov solnce zvezda sparta dinamo spartak zenit misiek
kotek kochanie wisla legia misiaczek amorzinho gatinha gatinho felicidade deusefiel saudade sakura kawaii anime otaku
manga arigato konnichiwa hejsan sommar vinter kanelbulle
"""

NAMES = """
aaron abigail adam adriana adrian agnes ahmed aisha alan albert alberto alejandra alejandro alex alexa alexander
alexandra alexandre alexis alfredo alice alicia alina allison amanda amber amelia amir amy ana anastasia andrea
andreas andrei andres andrew andy angela angelica angelina angie anita anna anne annie anthony antonio antony april
ariana arthur ashley audrey austin barbara beatriz benjamin bernard beth bianca bill billy bob bobby bonnie brandon
brandy brenda brian brianna britney brittany brooke bruce bruno bryan caitlin cameron camila camille carina carla
carlos carmen carol carolina caroline cassandra catherine cecilia charles charlie charlotte chelsea cheryl chris
christian christina christine christopher cindy claire clara claudia colin connor courtney craig cristian cristina
crystal cynthia daniel daniela danielle danny david dawn debbie deborah denise dennis derek diana diane diego dmitry
dominic dominik donna dorothy douglas dylan eduardo edward elaine elena elizabeth ellen emily emma enrique eric erica
erik erika erin ernesto esteban esther eugene evelyn fabian fatima felipe felix fernanda fernando fiona florian
frances francesca francesco francis francisco frank franklin fred freddie gabriel gabriela gabriella gary george
gerald gerard giovanni gloria gordon grace graham greg gregory guillermo gustavo hannah harold harry hassan heather
hector heidi helen helena henry hugo ian ibrahim igor irene iris isaac isabel isabella isabelle ivan jack jackie
jackson jacob jacqueline jake james jamie jan jane janet janice jason jasmin javier jean jeff jeffrey jenna jennifer
jenny jeremy jerome jerry jesse jessica jessie jim jimmy joan joanna joe joel johan johannes john johnny jonas
jonathan jordan jorge jose joseph joshua joyce juan juanita judith julia julian juliana julie juliet julien julio
justin kaitlyn karen karina karl kate katherine kathleen kathryn kathy katie keith kelly kenneth kevin khaled kimberly
kristen kristina krystal kyle larry laura lauren laurent leah lee leon leonard leonardo leonie leslie liam linda
lindsay lisa logan lorena lorenzo louis louise lucas lucia lucy luis luisa luke lukas lydia lynn madison maggie manuel
marc marcel marcelo marco marcos marcus margaret maria mariah mariana marie marilyn mario marion marissa mark marlene
marta martha martin martina mary mateo mathilde matt matteo matthew matthias maurice mauricio max maxim maximilian
maxwell megan melanie melissa mercedes michael michaela michal michel michelle miguel mike mikhail milena miranda
mitchell mohamed mohammad mohammed monica monika morgan mustafa nadia nancy natalia natalie nathalie nathan nelson
nicholas nick nicola nicolas nicole nikita nikolai nina noah nora norma oleg olga oliver olivia omar oscar pablo
pamela paola patricia patrick paul paula pauline pedro peter philip philipp phillip pierre rachel rafael ralph ramon
randy raquel raul raymond rebecca ricardo riccardo richard rick ricky rita robert roberta roberto rodrigo roger roland
roman ronald ronaldo rosa rosario rose rosemary roxana ruben russell ruth ryan sabine sabrina sally samantha samuel
sandra santiago sara sarah scott sean sebastian sergei sergio shannon sharon shawn sheila shirley silvia simon simone
sofia sonia sophia sophie stacey stephanie stephen stefan stefanie steve steven stewart susan susanne suzanne svetlana
sylvia tamara tania tatiana taylor teresa terry thomas tiffany tim timothy tina todd tom tommy tony tracy travis
trevor tyler valentin valentina valeria valerie vanessa vera veronica victor victoria vincent vincenzo viktor viktoria
virginia vladimir walter wanda wendy wesley william willie xavier yannick yolanda yusuf yvonne zachary
"""

WALKS = """
1234 12345 123456 1234567 12345678 123456789 1234567890 0123456789 01234567 012345678 9876543210 987654321 87654321
0987654321 098765432 1111 111111 11111111 111111111 1111111111 00000000 22222222 33333333 44444444 55555555 66666666
77777777 88888888 99999999 0000 6969 69696969 12341234 12344321 123454321 1234554321 12345654321 123123 123123123
321321321 123321 123321123 11112222 11223344 1122334455 112233445566 121212 12121212 1212121212 131313 13131313 101010
10101010 102030 10203040 1020304050 147258 147258369 1472583690 159357 159753 159753456 147852369 741852963 789456
789456123 7894561230 963852741 369258147 357159 135790 1357908642 13579 135791113 246810 2468101214 24681012 31415926
314159265 27182818 52013140 5201314 1314520 13145200 20002000 20012001 00700700 007007 42424242 qwertyui qwertyuio
qwertyuiop qwertyuiopasdf qwertyuiopasdfgh qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm asdfghjk asdfghjkl
asdfghjklzxcvbnm zxcvbnm zxcvbnmasdfghjkl qwertzui qwertzuio qwertzuiop azertyui azertyuio azertyuiop
azertyuiopqsdfghjklm poiuytrewq poiuytreza lkjhgfdsa mnbvcxz mnbvcxzlkjhgfdsapoiuytrewq qazwsxedc qazwsxedcrfv
qazwsxedcrfvtgb qazwsxedcrfvtgbyhnujm zaqxswcde zaq12wsx 1qaz2wsx 1qaz2wsx3edc 1qaz2wsx3edc4rfv 1qaz2wsx3edc4rfv5tgb
1qazxsw2 1qazxsw23edc zaq1xsw2 zaq1zaq1 1q2w3e 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i9o0p
q1w2e3 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 q1w2e3r4t5y6u7i8o9p0 qwe123 qwe123qwe qwe123456 asd123asd 123qwe 123qweasd
123qweasdzxc 123qwe123 123qwe123qwe qweqweqwe asdasdasd zxczxczxc qweasdzxc qweasd123 asdqwe123 qwerasdf qwerasdfzxcv
asdfasdf asdf1234 asdfqwer qwer1234 1234qwer 1234qwerasdf zxcvasdf zxcv1234 zxcvbnm123 asdfghjkl123 qwertyuiop123
abcdefg abcdefgh abcdefghi abcdefghij abcdefghijk abcdefghijkl abcdefghijklm abcdefghijklmno abcdefghijklmnop
abcdefghijklmnopqrstuvwxyz abcd1234 abc12345 abc123456 abc123456789 abcd12345 abcdef123 abcde12345 abc123abc
abc123abc123 a1b2c3 a1b2c3d4 a1b2c3d4e5 a1s2d3f4 a1s2d3f4g5 aa123456 a123456 a1234567 a12345678 a123456789 a1234567890
aaa111 aaaa1111 aabbccdd 123456a 1234567a 12345678a 123456789a 1234567890a 123abc 1234abcd 12345abcde 12345qwert
123456qwerty 123456qwert 123456abc 1a2b3c4d 1a2s3d4f 1q1q1q1q 1qa2ws3ed 11qqaazz q1q1q1q1 qqwweerr
zxcvbnmlkjhgfdsaqwertyuiop plmoknijb okmijnuhb ijnuhb wasdwasd
"""

PHRASES = """
letmeinplease letmeinnow openthedoor whatismypassword whatsmypassword idontknow idontcare iforgot iforgotmypassword
forgotpassword forgetpassword thisismypassword thisisapassword thisisasecret thisissecret mysecretpassword supersecret
supersecretpassword topsecret verysecret verysecretpassword notasecret nosecrets passwordispassword secretpassword
adminpassword rootpassword userpassword testpassword temppassword temporarypassword defaultpassword changemenow
changethis changethispassword pleasechangeme adminadmin administrator rootroot testtest testtesttest testuser
testaccount testing123 guestguest useruser iloveyousomuch iloveyouforever iloveyoubaby iloveyoualways iloveyoumom
iloveyoudad ilovemyfamily ilovemymom ilovemydad ilovemyself ilovemylife ilovemydog ilovemycat ilovejesus ilovegod
ilovemusic ilovekaraoke ilovepizza ilovechocolate lovelove lovelovelove lovemeforever loveislove loveyouforever
mybirthday happybirthday merrychristmas happynewyear godislove jesuslovesme jesusislord jesussaves ingodwetrust
thankyoujesus praisegod trustnoone trustno1 nevergiveup neverforget hakunamatata carpediem justdoit keepcalm goodluck
goodmorning goodnight youandme youandme123 onlyyou forgetmenot forgetme rememberme dontforget donttouch leavemealone
getouthere starwarsfan maytheforcebewithyou maytheforce winteriscoming gameofthrones harrypotter hermione hogwarts
lordoftherings spongebob spongebobsquarepants teletubbies powerrangers ninjaturtles transformers backstreetboys
justinbieber onedirection taylorswift michaeljackson michaeljordan cristianoronaldo lionelmessi barcelona realmadrid
manchesterunited liverpoolfc chelseafc arsenalfc ynwa youllneverwalkalone fcbarcelona bayernmunich borussiadortmund
asdf1234asdf qwertyqwerty qwerty123456 qwerty12345 qwerty1234 qwerty123456789 qwerty12345678 qwerty1234567890
password123456 password1234567890 passwordqwerty qwertypassword iloveyou123456 welcome123456 admin123456 admin1234
admin123 admin12345 p455w0rd pa55word pa55w0rd passwords passwordd passworded wordpass drowssap nimda ytrewq trocadero
hunter2 zxcvbnm1 monkey123456 dragon123456 superstar superman123 batman123456 starwars123 singrsinger singrsongs
singrsong singrvenue singrpassword singrkaraokepassword karaokepassword karaokemachine karaokeking karaokequeen
karaokestar karaokelover karaokesinger karaokemaster karaokeparty karaoketime letssing letssingkaraoke singalong
singasong singersongwriter ilovesinging lovetosing
"""

# How a word becomes long enough: the endings that people, and guessing programs, think of first. The policy knows that
# any other number after a word adds little, so the list need not hold them all.
ENDINGS = ("1", "12", "123", "1234", "12345", "!", "123!")
NAME_ENDINGS = ("123", "1234")


def compose() -> list[str]:
    """The list: all words and walks, and from each word what it becomes in the usual patterns."""
    habits, names = set(HABITS.split()), set(NAMES.split())
    parts = habits | names | set(WALKS.split())
    found = parts | set(PHRASES.split())
    for word in habits:
        found.update(word + ending for ending in ENDINGS)
        found.update((word + word, f"my{word}", f"123{word}"))
    for name in names:
        found.update(name + ending for ending in NAME_ENDINGS)
        found.add(f"ilove{name}")
    return sorted(
        entry for entry in found if len(entry) >= SHORTEST_WHOLE or (len(entry) >= SHORTEST_PART and entry in parts)
    )


def text() -> str:
    """The file's whole text."""
    return HEAD + "\n".join(compose()) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="ascii")
    print(f"{len(compose())} entries written to {TARGET.name}")
