package afe
import ("testing";"fmt";"runtime";"strings";"time";"unsafe")
func TestZZ(t *testing.T){
 job:=func(extra string) string { return `{"id":1,"owner":"a","name":"n","created_on":"2019-03-15T11:30:15",`+extra+`}`}
 for _, o := range []string{
  job(`"priority":"high"`), job(`"priority":3000000000`), job(`"priority":1.5`), job(`"priority":1e2`), job(`"priority":null`),job(`"priority":true`),job(`"priority":[1]`),
  job(`"owner":"b"`), job(`"name2":"b","name2":1`), job("\"email_list\":\"a\xffb\""), job(`"email_list":"\ud800"`), job(`"email_list":"a\u0000b"`),job(`"email_list":null`),job(`"email_list":5`),
  job(`"run_reset":2`),job(`"run_reset":1`),job(`"run_reset":"true"`),job(`"run_reset":null`),job(`"run_reset":1.0`),job(`"run_reset":{}`),
  job(`"hostqueueentry_set":null`),job(`"hostqueueentry_set":{}`),job(`"hostqueueentry_set":[null]`),job(`"hostqueueentry_set":[5]`),job(`"hostqueueentry_set":[{}]`),job(`"hostqueueentry_set":[{"id":5}]`),job(`"hostqueueentry_set":[{"id":5,"status":null}]`),
  job(`"hostqueueentry_set":[{"id":5,"status":"a","host_id":0}]`),job(`"hostqueueentry_set":[{"id":5,"status":"a","host_id":"x"}]`),job(`"hostqueueentry_set":[{"id":5,"status":"a"},{"id":5,"status":"a"}]`),
  job(`"hostqueueentry_set":[{"id":5,"status":"a","meta_host":{}}]`),job(`"hostqueueentry_set":[{"id":5,"status":"a","meta_host":[]}]`),job(`"hostqueueentry_set":[{"id":5,"status":"a","started_on":"2019-03-15T11:30:15Z"}]`),
  job(`"hostqueueentry_set":[{"id":5,"status":"a","started_on":5}]`),job(`"require_ssp":0`),job(`"require_ssp":"x"`),job(`"shard":{}`),job(`"shard":"x"`),job(`"shard":{"id":-4,"hostname":"x"}`),job(`"shard":null`),
  job(`"dependency_labels":[{"id":5}]`),job(`"dependency_labels":[{"name":"x"}]`),job(`"jobkeyval_set":null`),job(`"jobkeyval_set":[{"key":1}]`),job(`"jobkeyval_set":[{"id":null}]`),
  `{}`,`null`,`5`,`"x"`,`[]`,`true`,`{"id":0}`,`{"id":-1}`,`{"id":1.5}`,`{"id":1.0}`,`{"id":9223372036854775808}`,`{"id":"7"}`,`{"id":null}`,`{"id":true}`,`{"id":7}`,`{"id":7,"owner":"a"}`,`{"id":7,"owner":"a","name":"b"}`,`{"id":7,"owner":null}`,`{"id":7,"owner":"a","name":"b","created_on":null}`,`{"id":7,"owner":"a","name":"b","created_on":"yesterday"}`,
  `{"id":7,"\xff":1}`, "{\"id\":7,\"\xff\":1}", `{"id":7,"x":`+strings.Repeat("[",9000)+strings.Repeat("]",9000)+`}`,
 }{
  r,err := decode([]byte(`{"result":{"jobs":[`+o+`]}}`))
  if err!=nil { fmt.Printf("%.70q FAIL %v\n", o, err); continue }
  fmt.Printf("%-75.75s | %d | %v\n", strings.TrimPrefix(o,`{"id":1,"owner":"a","name":"n","created_on":"2019-03-15T11:30:15",`), r.Jobs[0].ID, r.Jobs[0].Err)
 }
 for _, b := range []string{``,` `,`x`,`null`,`5`,`[]`,`{}`,`{"result":null,"error":null}`,`{"result":5}`,`{"result":[]}`,`{"result":{"jobs":null,"hosts":{},"suite_keyvals":5,"incorrect_host_ids":"x"}}`,`{"result":{"incorrect_host_ids":[1,"2",null,-3,0,4.5,[],{},true,5]}}`,`{"result":{}} x`,`{"error":"boom"}`,`{"error":5}`,`{"error":{}}`,`{"error":{"message":"x"}}`,`{"error":{"name":5,"message":"x"}}`,`{"error":{"name":"N"}}`,`{"error":false,"result":{}}`,`{"result":{}`,"{\"result\":{\"\xff\":1}}",strings.Repeat("[",20000),`{"result":`+strings.Repeat("[",20000)+`}`,`{"result":{"jobs":`+strings.Repeat("[",20000)+`}`, `{"result":{"jobs":[}}`,`{"result":{},"result":{"hosts":5}}`,
 `<html><body>It works!</body></html>`, "\x1f\x8b\x08", `{"result":{"jobs":[{"id":7,"x":`+strings.Repeat("[",9996)+strings.Repeat("]",9996)+`}]}}`,} {
  r,err := decode([]byte(b))
  if err!=nil { err.URL="U"; fmt.Printf("%.70q ERR %s %v\n", b, err.Class, err); continue }
  fmt.Printf("%.70q OK %v", b, r.IncorrectHostIDs); for _,m:=range r.Malformed{fmt.Printf(" | %s %.20s %v",m.Section,m.Raw,m.Err)}; for _,j:=range r.Jobs{fmt.Printf("job %d %v",j.ID,j.Err)}; fmt.Println()
 }
 fmt.Println(unsafe.Sizeof(Received[Host]{}),unsafe.Sizeof(Received[Job]{}),unsafe.Sizeof(Received[Keyval]{}),unsafe.Sizeof(Entry{}),unsafe.Sizeof(Label{}))
 for _, o := range []string{`0`,`{}`,`{"id":1}`,`{"id":1,"owner":"","name":"","created_on":"2019-03-15T11:30:15"}`} { for _,sec:=range []string{"jobs","hosts","incorrect_host_ids"} {
  const n=1<<20
  body:=[]byte(`{"result":{"`+sec+`":[`+strings.Repeat(o+",",n-1)+o+`]}}`)
  var m0,m1,m2 runtime.MemStats; runtime.GC(); runtime.ReadMemStats(&m0); st:=time.Now(); r,_:=decode(body); d:=time.Since(st); runtime.ReadMemStats(&m1); runtime.GC(); runtime.ReadMemStats(&m2); 
  fmt.Printf("%s %s body %d MB total alloc %d MB live %d MB %v\n",sec,o,len(body)>>20,(m1.TotalAlloc-m0.TotalAlloc)>>20,(m2.HeapAlloc-m0.HeapAlloc)>>20,d); runtime.KeepAlive(r)
 }}
 body:=[]byte(`{"result":`+strings.Repeat("[",256<<20))
 st:=time.Now(); _,e:=decode(body); fmt.Println(time.Since(st), e.Class)
 for _,s:=range []string{"2019-03-15T11:30:15","2019-03-15 11:30:15","2019-03-15T11:30:15,5","2019-03-15T1:30:15","2019-03-15T11:30:15.1234567899","2019-03-15","2019-02-30T00:00:00","0001-01-01T00:00:00","0000-01-01T00:00:00","2019-03-15T24:00:00","2019-03-15T23:59:60","2019-03-15T11:30:15+00:00","2019-03-15T11:30:15.5Z","12019-03-15T11:30:15"," 2019-03-15T11:30:15","","2019-03-15T11:30:15.","2019-03-15t11:30:15"}{ x,err:=ParseTime(s); fmt.Println(s,x,err)}
}
