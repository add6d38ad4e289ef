//go:build talkoff

package media

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// speakers are voices of espeak-ng, each with words of its language.
var speakers = []struct{ voice, words string }{
	{"en-us", "the office opens at nine and closes at six please wait for a moment while we look for your file one two three star number window permit street water tax seven eleven maybe tomorrow again thank you very much for calling"},
	{"en-gb", "could you tell me where I have to send the form about parking noise rubbish collection the bridge was closed on sunday nobody answered my letter I am angry and I want to speak with somebody else five six nine zero"},
	{"ko", "안녕하세요 시청입니다 무엇을 도와드릴까요 잠시만 기다려 주세요 담당자에게 연결해 드리겠습니다 주차 민원 세금 여권 도로 공사 소음 내일 오전 아홉 시 하나 둘 셋 별표 번호 감사합니다 네 아니요 다시 전화 드리겠습니다"},
	{"de", "guten tag wo finde ich das formular für die anmeldung ich habe gestern schon angerufen und niemand war da eins zwei drei stern nummer straße wasser steuer vielleicht morgen wieder vielen dank auf wiederhören"},
	{"fr-fr", "bonjour je voudrais savoir quand la mairie est ouverte le dimanche la rue est fermée depuis une semaine un deux trois étoile numéro eau impôt peut-être demain merci beaucoup au revoir madame"},
	{"es", "buenos días quisiera hablar con la persona que lleva las licencias de obra uno dos tres estrella número calle agua impuesto quizás mañana otra vez muchas gracias adiós señora hasta luego"},
	{"cmn", "你好 请问 市政府 几点 开门 我 想 办理 居住证 一 二 三 星号 号码 街道 水费 税 也许 明天 再 打 电话 谢谢 再见 请 稍等 没有 人 接"},
	{"vi", "xin chào tôi muốn hỏi về giấy phép xây dựng một hai ba sao số đường nước thuế có lẽ ngày mai cảm ơn rất nhiều tạm biệt"},
	{"ru", "здравствуйте я хочу узнать когда откроется паспортный стол один два три звёздочка номер улица вода налог может быть завтра спасибо большое до свидания"},
	{"pt-br", "bom dia eu gostaria de falar sobre a conta de água um dois três estrela número rua imposto talvez amanhã muito obrigado até logo senhora"},
}

// TestTalkOff counts the keys that are heard where people only talk:
// TALKOFF_HOURS of speech (20), by voices of ten languages, men's and women's,
// slow and fast, loud and soft, as a telephone line carries it.
func TestTalkOff(t *testing.T) {
	hours := 20.0
	if h, err := strconv.ParseFloat(os.Getenv("TALKOFF_HOURS"), 64); err == nil {
		hours = h
	}
	r := rand.New(rand.NewPCG(11, 12))
	var heard, keys, commands, turn int
	began := time.Now()
	for ; float64(heard) < hours*3600*8000; turn++ {
		n, pressed := talk(t, r, turn)
		heard += n
		keys += len(pressed)
		if strings.Contains(string(pressed), "*1") {
			commands++
		}
		if turn%100 == 99 {
			t.Logf("%.1f h heard, %d keys, %d times *1, %.0f s", float64(heard)/8000/3600, keys, commands, time.Since(began).Seconds())
		}
	}
	total := float64(heard) / 8000 / 3600
	bound := poissonBound(commands) / total * 100
	t.Logf("%.1f h of speech: %d keys, %d times *1; with 95 %% certainty fewer than %.1f times *1 in 100 h", total, keys, commands, bound)
	// What *1 would be if keys came independently, two within five seconds:
	rate := float64(keys) / total / 16 // of one digit, an hour
	t.Logf("were keys independent of each other, *1 would come %.4f times in 100 h", 100*rate*rate*5/3600)
	if commands > 0 {
		t.Errorf("%d times *1 was heard that nobody pressed", commands)
	}
}

// poissonBound is the mean with which n or fewer events have a chance of 5 %.
func poissonBound(n int) float64 {
	low, high := 0.0, 100.0+10*float64(n)
	for range 60 {
		mean, p, term := (low+high)/2, 0.0, 0.0
		term = math.Exp(-mean)
		for k := range n + 1 {
			p += term
			term *= mean / float64(k+1)
		}
		if p > 0.05 {
			low = mean
		} else {
			high = mean
		}
	}
	return low
}

// talk has somebody talk for some minutes. Nothing of it is stored.
func talk(t *testing.T, r *rand.Rand, turn int) (samples int, keys []byte) {
	t.Helper()
	who := speakers[turn%len(speakers)]
	words := strings.Fields(who.words)
	var text strings.Builder
	for n := range 400 {
		text.WriteString(words[r.IntN(len(words))])
		if n%9 == 8 {
			text.WriteByte('.')
		}
		text.WriteByte(' ')
	}
	variants := []string{"", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4", "+f5", "+croak", "+whisper"}
	voice := who.voice + variants[r.IntN(len(variants))]
	espeak := exec.Command("espeak-ng", "-v", voice, "-s", fmt.Sprint(120+r.IntN(160)), "-p", fmt.Sprint(r.IntN(100)), "--stdin", "--stdout")
	espeak.Stdin = strings.NewReader(text.String())
	filter := []string{"-q", "-t", "wav", "--ignore-length", "-", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-",
		"gain", fmt.Sprint(-r.IntN(20))}
	if turn%2 == 0 {
		filter = append(filter, "sinc", "300-3400")
	}
	sox := exec.Command("sox", filter...)
	var err error
	if sox.Stdin, err = espeak.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := sox.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sox.Start(); err != nil {
		t.Fatal(err)
	}
	if err := espeak.Start(); err != nil {
		t.Fatal(err)
	}
	e, in := newToneEar(8000), bufio.NewReader(out)
	packet, raw := make([]int16, 160), make([]byte, 320)
	for {
		if _, err := io.ReadFull(in, raw); err != nil {
			break
		}
		for i := range packet {
			packet[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		keys = e.hear(lawful(packet, r), keys)
		samples += 160
	}
	if err := espeak.Wait(); err != nil {
		t.Fatalf("espeak-ng %s: %v", voice, err)
	}
	if err := sox.Wait(); err != nil {
		t.Fatal(err)
	}
	if samples < 8000 {
		t.Fatalf("%s said nothing", voice)
	}
	return samples, keys
}
