mkdir p; cd p; cat > Makefile <<'END'
CFLAGS := -O1
SRC := $(wildcard *.c)
OBJ := $(SRC:.c=.o)
define say
@echo "[$(1)] $(2)"
endef
.PHONY: all clean test
all: prog gen.txt
prog: $(OBJ) ; $(CC) -o $@ $^
%.o: %.c h.h ; $(CC) $(CFLAGS) -c -o $@ $<
gen.txt: ; $(call say,gen,$@) && seq 3 > $@
test: prog ; ./prog && $(MAKE) -s sub X=1
sub: ; @echo sub $(X) $(MAKELEVEL) $(words $(SRC)) $(sort $(notdir $(SRC))) $(shell echo shell) $(if $(X),yes,no) $(foreach i,1 2,<$i>) $(patsubst %.c,%.z,a.c) $(subst a,b,aaa) $(filter %.h,a.c b.h) $(firstword x y)
fail: ; false
keep: ; -false; echo kept
slow1 slow2 slow3 slow4: ; @sleep 0.3; echo $@ > $@
par: slow1 slow2 slow3 slow4
clean: ; rm -f prog *.o gen.txt
ifeq ($(D),1)
$(info debug)
endif
END
for i in 1 2 3 4 5; do echo "#include \"h.h\"
int f$i(int x) { return x * $i + H; }" > f$i.c; done; echo '#define H 1' > h.h; echo '#include <stdio.h>
int f1(int), f2(int), f3(int), f4(int), f5(int); int main() { printf("%d\n", f1(1) + f2(2) + f3(3) + f4(4) + f5(5)); return 0; }' > main.c; make -n | sort; make -j4 --output-sync > /dev/null; echo $?; make; make -q; echo $?; ./prog; sleep 1.1; touch f3.c; make; touch -d '+1 hour' h.h 2>/dev/null; sed -i 's/1/2/' h.h; make -s test 2>&1 | grep -v 'skew\|future'; make -k fail keep; echo $?; make -i fail; make -s D=1 clean; t0=$(date +%s%N); make -j4 par; t=$(( ($(date +%s%N) - t0) / 1000000 )); [ $t -lt 1150 ] && echo parallel; ls slow*; make nothere; echo $?; printf 'a:\n  bad\n' | make -f -; echo $?; make -pn 2>/dev/null | grep -c '^CFLAGS'; printf 'all: a b\na b: ; @echo $@ pid; sleep 0.1\n' | make -j2 -f - | sort; printf 'x:=$(shell exit 3)\nall: ; @echo $(.SHELLSTATUS) $(MAKE_VERSION)\n' | make -f -; printf 'all: a.out\n%%.out: %%.mid ; cp $< $@\n%%.mid: %%.in ; cp $< $@\n' > M; echo in > a.in; make -f M; make -f M --trace -B 2>&1 | sed 's/M:/M:/' | head -3; printf 'loop: loop2\nloop2: loop ; echo l\n' | make -f - 2>&1; MAKEFLAGS=-s make gen.txt; timeout 1 make -f <(printf 'all: ; sleep 10\n') > /dev/null 2>&1; echo $?
