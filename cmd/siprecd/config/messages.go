package config

// Code names a kind of problem. It never changes its meaning.
type Code string

const (
	codeRead       Code = "SR-001"
	codeBOM        Code = "SR-002"
	codeComment    Code = "SR-003"
	codeEncoding   Code = "SR-004"
	codeWritable   Code = "SR-005"
	codeControl    Code = "SR-006"
	codeUTF16      Code = "SR-007"
	codeMissing    Code = "SR-008"
	codeMore       Code = "SR-009"
	codeFullWidth  Code = "SR-010"
	codeQuotes     Code = "SR-011"
	codeLine       Code = "SR-012"
	codeBareValue  Code = "SR-013"
	codeBareKey    Code = "SR-014"
	codeUnclosed   Code = "SR-015"
	codeDuplicate  Code = "SR-016"
	codeNotText    Code = "SR-017"
	codeTrailing   Code = "SR-018"
	codeBackslash  Code = "SR-019"
	codePolicy     Code = "SR-020"
	codeEmpty      Code = "SR-021"
	codeCharacter  Code = "SR-022"
	codeStar       Code = "SR-023"
	codeUnequal    Code = "SR-024"
	codeReversed   Code = "SR-025"
	codeTooLarge   Code = "SR-026"
	codeOverlap    Code = "SR-027"
	codeTie        Code = "SR-028"
	codeMisplaced  Code = "SR-029"
	codeTable      Code = "SR-030"
	codeKey        Code = "SR-031"
	codeNoPolicy   Code = "SR-032"
	codeNotOurs    Code = "SR-033"
	codeTableTwice Code = "SR-034"
	codeCommand    Code = "SR-035"
	codeSameKeys   Code = "SR-036"
	codeNoTable    Code = "SR-037"
	codePolicyHere Code = "SR-038"
	codeTilde      Code = "SR-039"
	codeSyntax     Code = "SR-040"
	codeType       Code = "SR-041"
	codeListen     Code = "SR-042"
	codeAddress    Code = "SR-043"
	codePorts      Code = "SR-044"
	codeZone       Code = "SR-045"
	codeNeeds      Code = "SR-046"
	codeTwice      Code = "SR-047"
	codeChoice     Code = "SR-048"
	codeNumber     Code = "SR-049"
	codeDuration   Code = "SR-050"
	codeCountry    Code = "SR-051"
	codeOtherFile  Code = "SR-052"
	codeFile       Code = "SR-053"
	codeSecret     Code = "SR-054"
	codeRegulation Code = "SR-055"
	codeHeader     Code = "SR-056"
	codeWitness    Code = "SR-057"
	codeWitnessKey Code = "SR-058"
	codePartial    Code = "SR-060"
)

type message struct{ text, hint, textKo, hintKo string }

var messages = map[Code]message{
	codeRead:      {"cannot be read: %[1]v", "", "읽을 수 없습니다: %[1]v", ""},
	codeBOM:       {"the file begins with a byte order mark.", "Harmless, it is skipped; save as \"UTF-8\" without BOM to be rid of it.", "파일이 BOM으로 시작합니다.", "무시하므로 해는 없습니다. \"UTF-8\"(BOM 없음)로 저장하면 사라집니다."},
	codeComment:   {"a comment is in CP949 (EUC-KR), not UTF-8; %[1]d such line(s).", "It is skipped; to convert the file: iconv -f CP949 -t UTF-8", "주석이 UTF-8이 아니라 CP949(EUC-KR)입니다(%[1]d줄).", "무시합니다. 변환: iconv -f CP949 -t UTF-8"},
	codeEncoding:  {"the line is not UTF-8; as CP949 (EUC-KR) it would read as shown.", "Convert the file: iconv -f CP949 -t UTF-8", "UTF-8이 아닙니다. CP949(EUC-KR)로 읽으면 아래와 같습니다.", "파일을 변환하십시오: iconv -f CP949 -t UTF-8"},
	codeWritable:  {"everybody on this machine may change the file (mode %[1]v).", "chmod o-w %[2]s", "이 컴퓨터의 누구나 파일을 바꿀 수 있습니다(모드 %[1]v).", "chmod o-w %[2]s"},
	codeControl:   {"a control character (U+%04[1]X).", "Remove it.", "제어 문자(U+%04[1]X)가 있습니다.", "지우십시오."},
	codeUTF16:     {"the file is UTF-16.", "Save it as \"UTF-8\".", "파일이 UTF-16입니다.", "\"UTF-8\"로 저장하십시오."},
	codeMissing:   {"no such file.", "", "파일이 없습니다.", ""},
	codeMore:      {"and %[1]d more.", "", "그 밖에 %[1]d건.", ""},
	codeFullWidth: {"%[1]q is a full-width or foreign character.", "Write %[2]s", "%[1]q은(는) 전각 문자입니다.", "이렇게 쓰십시오: %[2]s"},
	codeQuotes:    {"%[1]q is a typographic quotation mark.", "Write %[2]s", "%[1]q은(는) 둥근 따옴표입니다.", "이렇게 쓰십시오: %[2]s"},
	codeLine:      {"this line cannot be understood.", "A line is an extension, an equals sign and a policy: 2001 = \"full\"", "이해할 수 없는 줄입니다.", "내선 = 정책 꼴로 쓰십시오: 2001 = \"full\""},
	codeBareValue: {"%[1]s needs quotation marks.", "Write \"%[2]s\"", "%[1]s에 따옴표가 필요합니다.", "이렇게 쓰십시오: \"%[2]s\""},
	codeBareKey:   {"%[1]s needs quotation marks.", "Write \"%[1]s\" = …", "%[1]s에 따옴표가 필요합니다.", "이렇게 쓰십시오: \"%[1]s\" = …"},
	codeUnclosed:  {"%[1]s is not closed.", "Add %[2]s", "%[1]s이(가) 닫히지 않았습니다.", "%[2]s을(를) 더하십시오."},
	codeDuplicate: {"%[1]s stands twice: here and on line %[2]d.", "Remove one of them.", "%[1]s이(가) 두 번 있습니다: 여기와 %[2]d번째 줄.", "하나를 지우십시오."},
	codeNotText:   {"%[1]s is not a text in quotation marks.", "", "%[1]s은(는) 따옴표로 묶은 글이 아닙니다.", ""},
	codeTrailing:  {"nothing may follow here.", "One line an entry; a remark begins with #", "여기에는 아무것도 올 수 없습니다.", "한 줄에 하나씩 쓰고, 설명은 #으로 시작하십시오."},
	codeBackslash: {"no backslash can stand here.", "Numbers and names need none.", "역슬래시는 쓸 수 없습니다.", "번호와 이름에는 필요 없습니다."},

	codePolicy:     {"%[1]q is not a policy.", "", "%[1]q은(는) 정책이 아닙니다.", ""},
	codeEmpty:      {"%[1]q names no number.", "All numbers that no line names: [default] policy = \"full\"", "%[1]q에 번호가 없습니다.", "어느 줄에도 없는 번호: [default] policy = \"full\""},
	codeCharacter:  {"%[1]q holds a character that no number or name has.", "Write the user part of the address only: 2001, alice", "%[1]q에 번호나 이름에 쓸 수 없는 문자가 있습니다.", "주소의 사용자 부분만 쓰십시오: 2001, alice"},
	codeStar:       {"in %[1]q the star is not at the end.", "A star stands for any ending: \"0312*\"", "%[1]q에서 별표가 끝에 있지 않습니다.", "별표는 끝에만 씁니다: \"0312*\""},
	codeUnequal:    {"%[1]q: the two ends of a range must have the same number of digits.", "3000-3099", "%[1]q: 범위의 두 끝은 자릿수가 같아야 합니다.", "3000-3099"},
	codeReversed:   {"%[1]q runs backwards.", "Write %[2]s", "%[1]q은(는) 순서가 거꾸로입니다.", "이렇게 쓰십시오: %[2]s"},
	codeTooLarge:   {"%[1]q covers more than %[2]d numbers.", "Use a prefix: \"0312*\"", "%[1]q은(는) 번호가 %[2]d개를 넘습니다.", "앞자리를 쓰십시오: \"0312*\""},
	codeOverlap:    {"%[1]s is also matched by %[2]s on line %[3]d; line %[4]d wins, being more exact.", "", "%[1]s은(는) %[3]d번째 줄의 %[2]s에도 해당합니다. 더 정확한 %[4]d번째 줄을 따릅니다.", ""},
	codePartial:    {"%[1]s crosses %[2]s on line %[3]d; line %[4]d wins where both match.", "Give each number to one of them.", "%[1]s이(가) %[3]d번째 줄의 %[2]s과(와) 일부만 겹칩니다. 겹치는 번호는 %[4]d번째 줄을 따릅니다.", "번호마다 한 줄에만 들게 하십시오."},
	codeTie:        {"%[1]s and %[2]s on line %[3]d match the same number and neither is more exact.", "Change one of them.", "%[1]s와(과) %[3]d번째 줄의 %[2]s이(가) 같은 번호에 해당하고 어느 쪽도 더 정확하지 않습니다.", "하나를 바꾸십시오."},
	codeMisplaced:  {"%[1]s stands under [%[2]s]; an extension belongs under [extensions].", "", "%[1]s이(가) [%[2]s] 아래에 있습니다. 내선은 [extensions] 아래에 씁니다.", ""},
	codeTable:      {"[%[1]s] is not known here.", "", "[%[1]s]은(는) 여기에 쓸 수 없습니다.", ""},
	codeKey:        {"%[1]q is not known here.", "", "%[1]q은(는) 여기에 쓸 수 없습니다.", ""},
	codeNoPolicy:   {"%[1]s has no policy.", "Add policy = \"full\"", "%[1]s에 정책이 없습니다.", "policy = \"full\"을 더하십시오."},
	codeNotOurs:    {"%[1]s is not among [site] numbers: this line is never used.", "", "%[1]s은(는) [site] numbers에 없으므로 이 줄은 쓰이지 않습니다.", ""},
	codeTableTwice: {"[%[1]s] stands twice: here and on line %[2]d.", "Put all its lines under the first.", "[%[1]s]이(가) 두 번 있습니다: 여기와 %[2]d번째 줄.", "첫 번째 아래로 모으십시오."},
	codeCommand:    {"%[1]q cannot be pressed as a command.", "One to eight of 0-9, * and #: \"*1\"", "%[1]q은(는) 누를 수 있는 키가 아닙니다.", "0-9, *, #을 1~8자: \"*1\""},
	codeSameKeys:   {"start and stop are the same key, %[1]q.", "", "시작 키와 정지 키가 같습니다: %[1]q.", ""},
	codeNoTable:    {"%[1]s stands above the first table.", "Put [extensions] on a line above it.", "%[1]s이(가) 첫 표제보다 위에 있습니다.", "그 위에 [extensions] 줄을 두십시오."},
	codePolicyHere: {"policy under [extensions] would be an extension of that name.", "For all other numbers write it under [default], above [extensions].", "[extensions] 아래의 policy는 그런 이름의 내선이 됩니다.", "나머지 번호의 정책은 [extensions] 위의 [default] 아래에 쓰십시오."},
	codeTilde:      {"%[1]s: a range is written with a hyphen.", "Write %[2]s", "%[1]s: 범위는 붙임표로 씁니다.", "이렇게 쓰십시오: %[2]s"},

	codeSyntax:     {"%[1]s.", "", "문법 오류: %[1]s.", ""},
	codeType:       {"%[1]s must be %[2]s.", "", "%[1]s의 값은 다음이어야 합니다: %[2]s.", ""},
	codeListen:     {"%[1]q is no address to listen on.", "udp:, tcp: or tls: with address and port: \"udp:0.0.0.0:5060\", \"tls:[::]:5061\"", "%[1]q은(는) 수신 주소가 아닙니다.", "udp:, tcp:, tls: 뒤에 주소와 포트: \"udp:0.0.0.0:5060\", \"tls:[::]:5061\""},
	codeAddress:    {"%[1]q is no IP address or network.", "\"192.0.2.10\", \"192.0.2.0/24\", \"2001:db8::/64\"", "%[1]q은(는) IP 주소나 네트워크가 아닙니다.", "\"192.0.2.10\", \"192.0.2.0/24\", \"2001:db8::/64\""},
	codePorts:      {"%[1]q is no range of ports.", "Two numbers from 1024 to 65535, at least 4 ports: \"40000-49999\"", "%[1]q은(는) 포트 범위가 아닙니다.", "1024~65535의 두 수, 포트 4개 이상: \"40000-49999\""},
	codeZone:       {"%[1]q is no time zone.", "\"Asia/Seoul\", \"UTC\"", "%[1]q은(는) 시간대가 아닙니다.", "\"Asia/Seoul\", \"UTC\""},
	codeNeeds:      {"%[1]s needs %[2]s.", "", "%[1]s에는 %[2]s 항목이 필요합니다.", ""},
	codeTwice:      {"%[1]q is used twice.", "", "%[1]q이(가) 두 번 쓰였습니다.", ""},
	codeChoice:     {"%[1]q is not one of the values of %[2]s.", "", "%[1]q은(는) %[2]s의 값이 아닙니다.", ""},
	codeNumber:     {"%[1]s must be from %[2]d to %[3]d.", "", "%[1]s은(는) %[2]d~%[3]d이어야 합니다.", ""},
	codeDuration:   {"%[1]q is no length of time.", "\"30s\", \"5m\"", "%[1]q은(는) 시간 길이가 아닙니다.", "\"30s\", \"5m\""},
	codeCountry:    {"%[1]q is no country code.", "Digits only: \"82\"", "%[1]q은(는) 국가 번호가 아닙니다.", "숫자만: \"82\""},
	codeOtherFile:  {"[%[1]s] belongs in %[2]s.", "", "[%[1]s]은(는) %[2]s에 씁니다.", ""},
	codeFile:       {"%[1]s cannot be read: %[2]v.", "Paths are relative to the folder of siprecd.toml.", "%[1]s을(를) 읽을 수 없습니다: %[2]v.", "경로는 siprecd.toml이 있는 폴더 기준입니다."},
	codeRegulation: {"[retention] keeps recordings otherwise than %[1]d days.", "Name what allows it: regulation_ref = \"…\"", "[retention]의 보관 기간이 %[1]d일과 다릅니다.", "근거를 쓰십시오: regulation_ref = \"…\""},
	codeHeader:     {"%[1]q is no name of a SIP header.", "Letters, digits and hyphens, without the colon.", "%[1]q은(는) SIP 헤더 이름이 아닙니다.", "콜론 없이 영문자, 숫자, 붙임표만 쓰십시오."},
	codeWitness:    {"%[1]q is no address of a witness.", "http:// or https://, host and port: \"http://192.0.2.9:8095\"", "%[1]q은(는) 증인 서버의 주소가 아닙니다.", "http:// 또는 https://, 호스트, 포트: \"http://192.0.2.9:8095\""},
	codeWitnessKey: {"%[1]q is no key of a witness.", "siprecd witness prints it at its start: \"name+01234567+BB…\"", "%[1]q은(는) 증인 서버의 공개 키가 아닙니다.", "siprecd witness가 시작할 때 출력합니다: \"이름+01234567+BB…\""},
	codeSecret:     {"the file holds a password, and everybody on this machine may read it (mode %[1]v).", "chmod o-r %[2]s, or password_file", "암호가 든 파일을 이 컴퓨터의 누구나 읽을 수 있습니다(모드 %[1]v).", "chmod o-r %[2]s 또는 password_file"},
}
