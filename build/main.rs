//! Builds the Lua 5.1 of the scripts: the sources that the crate `lua-src` carries, with the edits that a server needs
//! which runs strangers' scripts ([`EDITS`]).
//!
//! The crate `mlua` binds it; its feature `external` leaves the building to us. No source of Lua lies in this repository.

#![allow(clippy::expect_used)] // A build that can't go on stops.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// One edit: in this file, this text is replaced by that, exactly once.
type Edit = (&'static str, &'static str, &'static str);

const READONLY: &str = "luaG_runerror(L, \"Attempt to modify a readonly table\")";

/// Counts the steps of loops in C, and calls the hook that counts instructions now and then.
const TICK: &str = "static void tick (lua_State *L, size_t more) {\n  static __thread size_t steps;\n  steps += more;\n  \
    if (steps >= 100000) {\n    steps = 0;\n    \
    if (L->hookmask & LUA_MASKCOUNT) luaD_callhook(L, LUA_HOOKCOUNT, -1);\n  }\n}";

/// What is changed, and why.
const EDITS: &[Edit] = &[
    // Tables can be made read-only. Redis leaves `rawset` and `setmetatable` in the sandbox, so metatables alone guard nothing.
    ("lobject.h", "lu_byte lsizenode;", "lu_byte readonly; lu_byte lsizenode;"),
    ("ltable.c", "t->flags = cast_byte(~0);", "t->flags = cast_byte(~0); t->readonly = 0;"),
    (
        "lvm.c",
        "Table *h = hvalue(t);\n      TValue *oldval = luaH_set(",
        "Table *h = hvalue(t);\n      TValue *oldval;\n      if (h->readonly) READONLY;\n      oldval = luaH_set(",
    ),
    (
        "lapi.c",
        "api_check(L, ttistable(t));\n  setobj2t(L, luaH_set(L, hvalue(t)",
        "api_check(L, ttistable(t));\n  if (hvalue(t)->readonly) READONLY;\n  setobj2t(L, luaH_set(L, hvalue(t)",
    ),
    (
        "lapi.c",
        "api_check(L, ttistable(o));\n  setobj2t(L, luaH_setnum(",
        "api_check(L, ttistable(o));\n  if (hvalue(o)->readonly) READONLY;\n  setobj2t(L, luaH_setnum(",
    ),
    (
        "lapi.c",
        "case LUA_TTABLE: {\n      hvalue(obj)->metatable = mt;",
        "case LUA_TTABLE: {\n      if (hvalue(obj)->readonly) READONLY;\n      hvalue(obj)->metatable = mt;",
    ),
    // What is found at once needs no look at metatables, and no call.
    (
        "lvm.c",
        "sethvalue(L, &g, cl->env);\n        lua_assert(ttisstring(rb));\n        Protect(luaV_gettable(",
        "const TValue *found = luaH_getstr(cl->env, rawtsvalue(rb));\n        \
         if (!ttisnil(found)) {\n          setobj2s(L, ra, found);\n          continue;\n        }\n        \
         sethvalue(L, &g, cl->env);\n        lua_assert(ttisstring(rb));\n        Protect(luaV_gettable(",
    ),
    (
        "lvm.c",
        "case OP_GETTABLE: {\n",
        "case OP_GETTABLE: {\n        const TValue *from = RB(i), *found;\n        \
         if (ttistable(from) && !ttisnil(found = luaH_get(hvalue(from), RKC(i)))) {\n          \
         setobj2s(L, ra, found);\n          continue;\n        }\n",
    ),
    // What the host takes out of the globals before any script runs. `__readonly(table, on)` says which tables those are.
    // `__raising(f)` is a function that calls `f` and raises its second result if its first is true: a callback of the host can
    // only raise errors of the host's own kind, and a function in Lua would vanish from the stack as a tail call. `__calling(f)` is
    // a function that takes its arguments through `src/ds/door.rs`, and fetches answers that are not plain from `f`. `__running(globals, handler)` is a
    // function that runs another one, with KEYS and ARGV from the same door, and returns whether it failed, and its value or error.
    (
        "lbaselib.c",
        "static int luaB_newproxy (lua_State *L) {",
        "#include \"lobject.h\"\n#include \"lstate.h\"\n#include \"lmem.h\"\nstatic int luaB_readonly (lua_State *L) {\n  luaL_checktype(L, 1, LUA_TTABLE);\n  \
         ((Table *)lua_topointer(L, 1))->readonly = (lu_byte)lua_toboolean(L, 2);\n  return 0;\n}\n\n\
         static int luaB_raise (lua_State *L) {\n  int i, n = lua_gettop(L);\n  \
         for (i = 1; i <= n; i++) if (lua_type(L, i) == LUA_TSTRING) luaM_work(L, lua_objlen(L, i));\n  lua_pushvalue(L, lua_upvalueindex(1));\n  \
         lua_insert(L, 1);\n  lua_call(L, n, LUA_MULTRET);\n  if (lua_toboolean(L, 1)) {\n    lua_settop(L, 2);\n    \
         return lua_error(L);\n  }\n  return lua_gettop(L) - 1;\n}\n\n\
         static int luaB_raising (lua_State *L) {\n  luaL_checktype(L, 1, LUA_TFUNCTION);\n  lua_settop(L, 1);\n  \
         lua_pushcclosure(L, luaB_raise, 1);\n  return 1;\n}\n\n\
         typedef struct { int kind; lua_Number number; const char *text; size_t len; } DoorWord;\n\
         typedef struct { int kind; int is_due; lua_Number number; const char *text; size_t len; } DoorAnswer;\n\
         extern void ochre_door (const DoorWord *words, size_t count, DoorAnswer *answer);\n\n\
         static int luaB_call (lua_State *L) {\n  DoorWord few[16], *words = few;\n  DoorAnswer answer;\n  \
         int i, n = lua_gettop(L);\n  \
         if (n > 16) words = (DoorWord *)lua_newuserdata(L, sizeof(DoorWord) * (size_t)n);\n  \
         for (i = 0; i < n; i++) {\n    const TValue *word = L->base + i;\n    switch (ttype(word)) {\n      \
         case LUA_TSTRING: words[i].kind = 1; words[i].text = svalue(word); words[i].len = tsvalue(word)->len; break;\n      \
         case LUA_TNUMBER: words[i].kind = 0; words[i].number = nvalue(word); break;\n      \
         default: words[i].kind = 2;\n    }\n  }\n  \
         ochre_door(words, (size_t)n, &answer);\n  if (answer.is_due) luaM_due(L);\n  lua_settop(L, 0);\n  \
         switch (answer.kind) {\n    case 0: lua_pushnumber(L, answer.number); return 1;\n    \
         case 1: lua_pushlstring(L, answer.text, answer.len); return 1;\n    \
         case 2: lua_pushboolean(L, 0); return 1;\n    case 3: lua_pushnil(L); return 1;\n    \
         case 4:\n      lua_createtable(L, 0, 1);\n      lua_pushlstring(L, answer.text, answer.len);\n      \
         lua_setfield(L, -2, \"ok\");\n      return 1;\n  }\n  \
         lua_pushvalue(L, lua_upvalueindex(1));\n  lua_call(L, 0, 2);\n  \
         if (lua_toboolean(L, -2)) return lua_error(L);\n  return 1;\n}\n\n\
         static int luaB_calling (lua_State *L) {\n  luaL_checktype(L, 1, LUA_TFUNCTION);\n  lua_settop(L, 1);\n  \
         lua_pushcclosure(L, luaB_call, 1);\n  return 1;\n}\n\n\
         extern size_t ochre_words (const DoorWord **words, size_t *keys);\n\n\
         static void luaB_words (lua_State *L, const DoorWord *words, size_t count, int name) {\n  size_t i;\n  \
         lua_pushvalue(L, lua_upvalueindex(name));\n  lua_createtable(L, (int)count, 0);\n  \
         for (i = 0; i < count; i++) {\n    lua_pushlstring(L, words[i].text, words[i].len);\n    \
         lua_rawseti(L, -2, (int)i + 1);\n  }\n  lua_rawset(L, lua_upvalueindex(1));\n}\n\n\
         static int luaB_run (lua_State *L) {\n  Table *globals = (Table *)lua_topointer(L, lua_upvalueindex(1));\n  \
         const DoorWord *words;\n  size_t keys, count = ochre_words(&words, &keys);\n  int failed;\n  \
         lua_settop(L, 1);\n  globals->readonly = 0;\n  luaB_words(L, words, keys, 3);\n  \
         luaB_words(L, words + keys, count - keys, 4);\n  globals->readonly = 1;\n  \
         lua_pushvalue(L, lua_upvalueindex(2));\n  lua_insert(L, 1);\n  \
         failed = lua_pcall(L, 0, 1, 1);\n  lua_pushboolean(L, !failed);\n  lua_insert(L, -2);\n  return 2;\n}\n\n\
         static int luaB_running (lua_State *L) {\n  luaL_checktype(L, 1, LUA_TTABLE);\n  \
         luaL_checktype(L, 2, LUA_TFUNCTION);\n  lua_settop(L, 2);\n  \
         lua_pushliteral(L, \"KEYS\");\n  lua_pushliteral(L, \"ARGV\");\n  lua_pushcclosure(L, luaB_run, 4);\n  return 1;\n}\n\n\
         static int luaB_newproxy (lua_State *L) {",
    ),
    (
        "lbaselib.c",
        "{\"unpack\", luaB_unpack},",
        "{\"unpack\", luaB_unpack},\n  {\"__readonly\", luaB_readonly},\n  {\"__raising\", luaB_raising},\n  \
         {\"__calling\", luaB_calling},\n  {\"__running\", luaB_running},",
    ),
    // `[[a[[b]]` is a text, as in the servers of Debian, whose Lua this is.
    ("luaconf.h", "#define LUA_COMPAT_LSTR\t\t1", "#undef LUA_COMPAT_LSTR"),
    // Bytecode is never loaded: what it says is not checked by anybody.
    ("ldo.c", "((c == LUA_SIGNATURE[0]) ? luaU_undump : luaY_parser)", "luaY_parser"),
    ("ldo.c", "int c = luaZ_lookahead(p->z);", "(void)luaZ_lookahead(p->z);"),
    // CVE-2025-49844: the name of a chunk is kept alive while it is parsed.
    (
        "lparser.c",
        "luaX_setinput(L, &lexstate, z, luaS_new(L, name));",
        "TString *anchored = luaS_new(L, name);\n  setsvalue2s(L, L->top, anchored);\n  incr_top(L);\n  \
         luaX_setinput(L, &lexstate, z, anchored);",
    ),
    (
        "lparser.c",
        "lua_assert(lexstate.fs == NULL);\n  return funcstate.f;",
        "lua_assert(lexstate.fs == NULL);\n  L->top--;\n  return funcstate.f;",
    ),
    // CVE-2025-46817: the size of a range does not fit into an int.
    (
        "lbaselib.c",
        "n = e - i + 1;  /* number of elements */\n  if (n <= 0 || !lua_checkstack(L, n))  /* n <= 0 means arith. overflow */",
        "n = ((unsigned int)e - (unsigned int)i >= 8000u) ? 0 : e - i + 1;\n  \
         if (n <= 0 || n > 8000 - lua_gettop(L) || !lua_checkstack(L, n))",
    ),
    // The most that `unpack` gives has to pass through our callbacks, with the name of a command and room to work in, and the
    // values that the host holds stand on such a stack too. `unpack` above keeps the old limit.
    ("luaconf.h", "#define LUAI_MAXCSTACK\t8000", "#define LUAI_MAXCSTACK\t9900"),
    (
        "ltable.c",
        "if (cast(unsigned int, key-1) < cast(unsigned int, t->sizearray))",
        "if (cast(unsigned int, key) - 1u < cast(unsigned int, t->sizearray))",
    ),
    // CVE-2025-46819: the level of a long bracket is counted in an int.
    (
        "llex.c",
        "save_and_next(ls);\n    count++;",
        "save_and_next(ls);\n    if (count < 0x3fffffff) count++;",
    ),
    // Strings of the same length that differ where Lua does not look would all fall into one bucket. Long ones are hashed by
    // words, short ones as ever: the order of `pairs` shows.
    (
        "lstring.c",
        "size_t step = (l>>5)+1;",
        "size_t step = 1;\n  if (l >= 1024) luaM_work(L, l);\n  if (l >= 32) {\n    h = hash_words(str, l);\n    step = l + 1;\n  }",
    ),
    (
        "lstring.c",
        "TString *luaS_newlstr (lua_State *L, const char *str, size_t l) {",
        "static unsigned int hash_words (const char *str, size_t l) {\n  \
         unsigned long long mix[4] = {l, l + 1, l + 2, l + 3}, words[4];\n  size_t at = 0;\n  int i;\n  \
         for (;;) {\n    memcpy(words, str + at, 32);\n    for (i = 0; i < 4; i++) {\n      \
         mix[i] = (mix[i] ^ words[i]) * 0x9E3779B97F4A7C15ull;\n      mix[i] ^= mix[i] >> 32;\n    }\n    \
         if (at == l - 32) break;\n    at = at + 64 <= l ? at + 32 : l - 32;\n  }\n  \
         for (i = 1; i < 4; i++) {\n    mix[0] = (mix[0] ^ mix[i]) * 0x9E3779B97F4A7C15ull;\n    \
         mix[0] ^= mix[0] >> 32;\n  }\n  return (unsigned int)(mix[0] ^ (mix[0] >> 32));\n}\n\n\
         static TString *interned (lua_State *L, const char *str, size_t l, TString *made) {",
    ),
    // A long string that is put together is built where it stays, instead of in a buffer first; and is not longer than may be copied
    // without a stop: nobody can end a script meanwhile.
    ("lstring.c", "  TString *ts;\n  stringtable *tb;\n", "  TString *ts;\n"),
    (
        "lstring.c",
        "  ts->tsv.len = l;\n",
        "  memcpy(ts+1, str, l*sizeof(char));\n  return linked(L, ts, l, h);\n}\n\n\
         static TString *linked (lua_State *L, TString *ts, size_t l, unsigned int h) {\n  stringtable *tb;\n  \
         ts->tsv.len = l;\n",
    ),
    ("lstring.c", "  memcpy(ts+1, str, l*sizeof(char));\n  ((char *)(ts+1))[l]", "  ((char *)(ts+1))[l]"),
    (
        "lstring.c",
        "static TString *newlstr (",
        "static TString *linked (lua_State *L, TString *ts, size_t l, unsigned int h);\n\nstatic TString *newlstr (",
    ),
    (
        "lstring.c",
        "changewhite(o);\n",
        "changewhite(o);\n      if (made) luaM_freemem(L, made, sizestring(&made->tsv));\n",
    ),
    (
        "lstring.c",
        "return newlstr(L, str, l, h);  /* not found */\n}",
        "return made ? linked(L, made, l, h) : newlstr(L, str, l, h);\n}\n\n\
         TString *luaS_newlstr (lua_State *L, const char *str, size_t l) {\n  return interned(L, str, l, NULL);\n}\n\n\
         TString *luaS_join (lua_State *L, const TValue *pieces, int n, size_t l) {\n  TString *ts;\n  char *to;\n  \
         int i;\n  if (l > JOINED_MAX_BYTES) luaD_throw(L, LUA_ERRMEM);\n  \
         ts = cast(TString *, luaM_malloc(L, (l+1)*sizeof(char)+sizeof(TString)));\n  ts->tsv.len = l;\n  \
         to = (char *)(ts+1);\n  for (i = 0; i < n; i++) {\n    memcpy(to, svalue(pieces+i), tsvalue(pieces+i)->len);\n    \
         to += tsvalue(pieces+i)->len;\n  }\n  return interned(L, (char *)(ts+1), l, ts);\n}",
    ),
    (
        "lstring.c",
        "#include \"lmem.h\"",
        "#include \"ldo.h\"\n#include \"lmem.h\"\n\n#define JOINED_MAX_BYTES ((size_t)64 << 20)",
    ),
    (
        "lstring.h",
        "LUAI_FUNC void luaS_resize (lua_State *L, int newsize);",
        "LUAI_FUNC void luaS_resize (lua_State *L, int newsize);\n\
         LUAI_FUNC TString *luaS_join (lua_State *L, const TValue *pieces, int n, size_t l);",
    ),
    (
        "lvm.c",
        "buffer = luaZ_openspace(L, &G(L)->buff, tl);",
        "if (tl >= 65536) {\n        setsvalue2s(L, top-n, luaS_join(L, top-n, n, tl));\n        \
         total -= n-1;\n        last -= n-1;\n        continue;\n      }\n      \
         buffer = luaZ_openspace(L, &G(L)->buff, tl);",
    ),
    // What functions in C do with many bytes counts as instructions, four bytes one: strings that are made, memory that is
    // taken, texts that go to our callbacks. So the hook is called soon behind them, at a place where it may be, and at once behind
    // a command after which the slice is over.
    (
        "lmem.h",
        "LUAI_FUNC void *luaM_toobig (lua_State *L);",
        "LUAI_FUNC void *luaM_toobig (lua_State *L);\nLUAI_FUNC void luaM_work (lua_State *L, size_t size);\n\
         LUAI_FUNC void luaM_due (lua_State *L);",
    ),
    (
        "lmem.c",
        "void *luaM_realloc_ (lua_State *L, void *block, size_t osize, size_t nsize) {",
        "void luaM_work (lua_State *L, size_t size) {\n  size_t work = size / 4;\n  if (L->hookcount > 1)\n    \
         L->hookcount = (size_t)L->hookcount > work + 1 ? L->hookcount - (int)work : 1;\n}\n\n\
         void luaM_due (lua_State *L) {\n  if (L->hookcount > 1) L->hookcount = 1;\n}\n\n\
         void *luaM_realloc_ (lua_State *L, void *block, size_t osize, size_t nsize) {",
    ),
    (
        "lmem.c",
        "g->totalbytes = (g->totalbytes - osize) + nsize;",
        "g->totalbytes = (g->totalbytes - osize) + nsize;\n  if (nsize >= osize + 1024) luaM_work(L, nsize - osize);",
    ),
    // A call with thousands of arguments copies them, and then again.
    (
        "lvm.c",
        "b = n;\n          L->top = ra + n;",
        "b = n;\n          luaM_work(L, (size_t)n * 64);\n          L->top = ra + n;",
    ),
    // Collecting looks at all there is.
    ("lapi.c", "case LUA_GCCOLLECT: {", "case LUA_GCCOLLECT: {\n      luaM_work(L, g->totalbytes);"),
    ("lapi.c", "case LUA_GCSTEP: {", "case LUA_GCSTEP: {\n      luaM_work(L, g->totalbytes);"),
    // All coroutines count together: else each began at nothing, and many short ones would never come to the hook. What ends a
    // script inside of one ends it outside of it too.
    (
        "lbaselib.c",
        "static int auxresume (lua_State *L, lua_State *co, int narg) {",
        "static void luaB_count_on (lua_State *to, const lua_State *from) {\n  to->hook = from->hook;\n  \
         to->hookmask = from->hookmask;\n  to->basehookcount = from->basehookcount;\n  \
         to->hookcount = from->hookcount;\n}\n\n\
         static int auxresume (lua_State *L, lua_State *co, int narg) {",
    ),
    (
        "lbaselib.c",
        "status = lua_resume(co, narg);",
        "luaB_count_on(co, L);\n  status = lua_resume(co, narg);\n  luaB_count_on(L, co);",
    ),
    // Hooks rest while one runs, and so they would in the handler of what it raised: nothing could end a handler then.
    (
        "ldebug.c",
        "luaD_call(L, L->top - 2, 1);  /* call it */",
        "L->allowhook = 1;\n    luaD_call(L, L->top - 2, 1);  /* call it */",
    ),
    // Loops in C that may run long call the hook that counts instructions, so that scripts in them can be killed and let others
    // have the thread: patterns, sorting, and going through a table or a text.
    (
        "lstrlib.c",
        "#include \"lualib.h\"",
        "#include \"lualib.h\"\n#include \"ldo.h\"\n#include \"lmem.h\"\n\nextern void *memmem(const void *, size_t, const void *, size_t);\n\n\
         #define PATTERN_DEPTH_MAX 4000\n\nTICK",
    ),
    (
        "ltablib.c",
        "#include \"lualib.h\"",
        "#include \"lualib.h\"\n#include \"ldo.h\"\n#include \"lmem.h\"\n\nTICK",
    ),
    (
        "ltablib.c",
        "static int sort_comp (lua_State *L, int a, int b) {",
        "static int sort_comp (lua_State *L, int a, int b) {\n  tick(L, 2);",
    ),
    ("ltablib.c", "for (i=1; i <= n; i++) {", "for (i=1; i <= n; i++) {\n    tick(L, 2);"),
    (
        "ltablib.c",
        "while (lua_next(L, 1)) {\n    lua_pushvalue(L, 2);",
        "while (lua_next(L, 1)) {\n    tick(L, 2);\n    lua_pushvalue(L, 2);",
    ),
    (
        "ltablib.c",
        "while (lua_next(L, 1)) {\n    lua_pop(L, 1);",
        "while (lua_next(L, 1)) {\n    tick(L, 2);\n    lua_pop(L, 1);",
    ),
    (
        "ltablib.c",
        "static void addfield (lua_State *L, luaL_Buffer *b, int i) {",
        "static void addfield (lua_State *L, luaL_Buffer *b, int i) {\n  tick(L, 2);",
    ),
    // Steps over places where nothing is.
    (
        "ltable.c",
        "for (i++; i < t->sizearray; i++) {",
        "for (i++; i < t->sizearray; i++) {\n    if (i % 1024 == 0) luaM_work(L, 8192);",
    ),
    (
        "ltable.c",
        "for (i -= t->sizearray; i < sizenode(t); i++) {",
        "for (i -= t->sizearray; i < sizenode(t); i++) {\n    if (i % 1024 == 0) luaM_work(L, 8192);",
    ),
    (
        "ltablib.c",
        "for (i = e; i > pos; i--) {  /* move up elements */",
        "if (e > pos) luaM_work(L, ((size_t)e - (size_t)pos) * 32);\n      \
         for (i = e; i > pos; i--) {  /* move up elements */\n        tick(L, 2);",
    ),
    (
        "ltablib.c",
        "for ( ;pos<e; pos++) {",
        "if (e > pos) luaM_work(L, ((size_t)e - (size_t)pos) * 32);\n  for ( ;pos<e; pos++) {\n    tick(L, 2);",
    ),
    // Each item of a pattern that repeats takes a piece of our own stack.
    (
        "lstrlib.c",
        "int level;  /* total number of captures",
        "int depth;\n  int level;  /* total number of captures",
    ),
    (
        "lstrlib.c",
        "static const char *match (MatchState *ms, const char *s, const char *p) {\n  init:",
        "static const char *match_here (MatchState *ms, const char *s, const char *p);\n\n\
         static const char *match (MatchState *ms, const char *s, const char *p) {\n  const char *found;\n  \
         if (++ms->depth > PATTERN_DEPTH_MAX) luaL_error(ms->L, \"pattern too complex\");\n  tick(ms->L, 1);\n  \
         found = match_here(ms, s, p);\n  ms->depth--;\n  return found;\n}\n\n\
         static const char *match_here (MatchState *ms, const char *s, const char *p) {\n  init:",
    ),
    (
        "lstrlib.c",
        "    i++;\n  /* keeps trying to match with the maximum repetitions */",
        "    i++;\n  tick(ms->L, (size_t)i / 8);\n  /* keeps trying to match with the maximum repetitions */",
    ),
    (
        "lstrlib.c",
        "s = matchbalance(ms, s, p+2);",
        "tick(ms->L, (size_t)(ms->src_end - s) / 8);\n          s = matchbalance(ms, s, p+2);",
    ),
    // Byte by byte through a text.
    (
        "lstrlib.c",
        "luaL_addlstring(&b, s, l);\n  luaL_pushresult",
        "{ tick(L, 1 + l / 64); luaL_addlstring(&b, s, l); }\n  luaL_pushresult",
    ),
    (
        "lstrlib.c",
        "while (l--) luaL_addchar(&b, s[l]);",
        "while (l--) { tick(L, 1); luaL_addchar(&b, s[l]); }",
    ),
    (
        "lstrlib.c",
        "luaL_addchar(&b, tolower(uchar(s[i])));",
        "{ tick(L, 1); luaL_addchar(&b, tolower(uchar(s[i]))); }",
    ),
    (
        "lstrlib.c",
        "luaL_addchar(&b, toupper(uchar(s[i])));",
        "{ tick(L, 1); luaL_addchar(&b, toupper(uchar(s[i]))); }",
    ),
    ("lstrlib.c", "while (l--) {\n    switch (*s) {", "while (l--) {\n    tick(L, 1);\n    switch (*s) {"),
    // Texts that are only looked at.
    ("lstrlib.c", "const char *s2 = lmemfind(", "const char *s2 = (luaM_work(L, l1), lmemfind)("),
    (
        "lstrlib.c",
        "n = (int)(pose -  posi + 1);",
        "n = (int)(pose -  posi + 1);\n  luaM_work(L, (size_t)n * 64);",
    ),
    ("lvm.c", "#include \"lstate.h\"", "#include \"lstate.h\"\n#include \"lmem.h\""),
    (
        "lvm.c",
        "return l_strcmp(rawtsvalue(l), rawtsvalue(r)) < 0;",
        "return luaM_work(L, tsvalue(l)->len), l_strcmp(rawtsvalue(l), rawtsvalue(r)) < 0;",
    ),
    (
        "lvm.c",
        "return l_strcmp(rawtsvalue(l), rawtsvalue(r)) <= 0;",
        "return luaM_work(L, tsvalue(l)->len), l_strcmp(rawtsvalue(l), rawtsvalue(r)) <= 0;",
    ),
    (
        "lvm.c",
        "const TValue *b, *c;\n  if ((b = luaV_tonumber(",
        "const TValue *b, *c;\n  if (ttisstring(rb)) luaM_work(L, tsvalue(rb)->len * 8);\n  \
         if (ttisstring(rc)) luaM_work(L, tsvalue(rc)->len * 8);\n  if ((b = luaV_tonumber(",
    ),
    (
        "lapi.c",
        "return tonumber(o, &n);",
        "if (ttisstring(o)) luaM_work(L, tsvalue(o)->len * 8);\n  return tonumber(o, &n);",
    ),
    (
        "lapi.c",
        "if (tonumber(o, &n))\n",
        "if (ttisstring(o)) luaM_work(L, tsvalue(o)->len * 8);\n  if (tonumber(o, &n))\n",
    ),
    (
        "lapi.c",
        "if (tonumber(o, &n)) {\n",
        "if (ttisstring(o)) luaM_work(L, tsvalue(o)->len * 8);\n  if (tonumber(o, &n)) {\n",
    ),
    (
        "lbaselib.c",
        "int base = luaL_optint(L, 2, 10);",
        "int base = luaL_optint(L, 2, 10);\n  if (lua_type(L, 1) == LUA_TSTRING) luaM_work(L, lua_objlen(L, 1));",
    ),
    // A search that is not quadratic.
    (
        "lstrlib.c",
        "if (l2 == 0) return s1;  /* empty strings are everywhere */",
        "if (l2 <= l1 && l2 > 0) return (const char *)memmem(s1, l1, s2, l2);\n  \
         if (l2 == 0) return s1;  /* empty strings are everywhere */",
    ),
    // Nothing, two thousand million times.
    (
        "lstrlib.c",
        "int n = luaL_checkint(L, 2);\n  luaL_buffinit",
        "int n = luaL_checkint(L, 2);\n  if (l == 0) n = 0;\n  luaL_buffinit",
    ),
    // What a prelude in Lua wraps, as `pcall`, is one function in C in Redis: its own frames are no levels of an error.
    (
        "lauxlib.c",
        "if (lua_getstack(L, level, &ar)) {  /* check function at level */\n    lua_getinfo(L, \"Sl\", &ar);",
        "int at = 0;\n  int found = 0;\n  for (; level >= 0 && (found = lua_getstack(L, at, &ar)); at++) {\n    \
         lua_getinfo(L, \"Sl\", &ar);\n    if (strcmp(ar.short_src, \"prelude\") != 0) level--;\n  }\n  \
         if (found) {",
    ),
];

/// The same, but wherever the text stands.
const EDITS_EVERYWHERE: &[Edit] = &[("lstrlib.c", "ms.L = L;", "ms.L = L;\n  ms.depth = 0;")];

fn main() {
    println!("cargo:rerun-if-changed=build/main.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    let source = source_of("lua-src").join("lua-5.1.5");
    let edited = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("lua");
    fs::create_dir_all(&edited).expect("the build folder can be written");
    let mut used = vec![false; EDITS.len()];
    let mut files = Vec::new();
    for entry in fs::read_dir(&source).expect("the sources of Lua") {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.ends_with(".c") && !name.ends_with(".h") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources are text");
        fs::write(edited.join(&name), edit(&name, text, &mut used)).expect("the build folder can be written");
        if name.ends_with(".c") && !["lua.c", "luac.c", "print.c"].contains(&name.as_str()) {
            files.push(edited.join(&name));
        }
    }
    for (edit, used) in EDITS.iter().zip(&used) {
        assert!(used, "an edit of Lua's {} finds nothing to change: {:?}", edit.0, edit.1);
    }
    cc::Build::new()
        .files(files)
        .include(&edited)
        .define("LUA_USE_POSIX", None)
        .warnings(false)
        .opt_level(2)
        .cargo_metadata(false)
        .compile("ochre_lua");
    println!("cargo:rustc-link-search=native={}", env::var("OUT_DIR").expect("cargo sets it"));
    // Who uses it stands behind it on the linker's line, so all of it is taken.
    println!("cargo:rustc-link-lib=static:+whole-archive=ochre_lua");
    println!("cargo:rustc-link-lib=m");
}

fn edit(name: &str, mut text: String, used: &mut [bool]) -> String {
    for ((file, from, to), used) in EDITS.iter().zip(used) {
        if *file == name {
            assert_eq!(text.matches(from).count(), 1, "Lua's {name} is not as expected: {from:?}");
            text = text.replace(from, &to.replace("READONLY", READONLY).replace("TICK", TICK));
            *used = true;
        }
    }
    for (file, from, to) in EDITS_EVERYWHERE {
        if *file == name {
            assert!(text.contains(from), "Lua's {name} is not as expected: {from:?}");
            text = text.replace(from, to);
        }
    }
    text
}

/// Where cargo has put the sources of a crate. Not asked offline: cargo looks at all dependencies, and fetches those that only
/// tests have, which on a machine where nothing else was built are missing.
fn source_of(name: &str) -> PathBuf {
    let output = Command::new(env::var_os("CARGO").expect("cargo sets it"))
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform"])
        .arg(env::var_os("TARGET").expect("cargo sets it"))
        .current_dir(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.unwrap_or_else(|| panic!("{name} is not among the dependencies"));
    Path::new(manifest).parent().expect("a manifest lies in a folder").to_path_buf()
}
