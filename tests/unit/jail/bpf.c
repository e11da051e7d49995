/* See bpf.h. Knows what libseccomp and our own emitter make, nothing else. */
#include "bpf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct machine {
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
};

static int alu(struct machine *m, const struct sock_filter *insn)
{
	uint32_t operand = BPF_SRC(insn->code) == BPF_X ? m->x : insn->k;
	switch (BPF_OP(insn->code)) {
	case BPF_AND:
		m->a &= operand;
		return 0;
	case BPF_OR:
		m->a |= operand;
		return 0;
	case BPF_ADD:
		m->a += operand;
		return 0;
	case BPF_SUB:
		m->a -= operand;
		return 0;
	default:
		return -1;
	}
}

/* How far to jump, or -1. */
static long jump(const struct machine *m, const struct sock_filter *insn)
{
	uint32_t operand = BPF_SRC(insn->code) == BPF_X ? m->x : insn->k;
	int holds;
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return insn->k;
	case BPF_JEQ:
		holds = m->a == operand;
		break;
	case BPF_JGT:
		holds = m->a > operand;
		break;
	case BPF_JGE:
		holds = m->a >= operand;
		break;
	case BPF_JSET:
		holds = (m->a & operand) != 0;
		break;
	default:
		return -1;
	}
	return holds ? insn->jt : insn->jf;
}

static int load(struct machine *m, const struct sock_filter *insn, const struct seccomp_data *data)
{
	switch (insn->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		if (insn->k % 4 || insn->k + 4 > sizeof(*data))
			return -1;
		memcpy(&m->a, (const char *)data + insn->k, 4);
		return 0;
	case BPF_LD | BPF_IMM:
		m->a = insn->k;
		return 0;
	case BPF_LD | BPF_MEM:
		if (insn->k >= BPF_MEMWORDS)
			return -1;
		m->a = m->memory[insn->k];
		return 0;
	default:
		return -1;
	}
}

static int store(struct machine *m, const struct sock_filter *insn)
{
	if (insn->code != BPF_ST || insn->k >= BPF_MEMWORDS)
		return -1;
	m->memory[insn->k] = m->a;
	return 0;
}

/* Executes what is no jump and no return. */
static int step(struct machine *m, const struct sock_filter *insn, const struct seccomp_data *data)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return load(m, insn, data);
	case BPF_ST:
		return store(m, insn);
	case BPF_ALU:
		return alu(m, insn);
	default:
		return -1;
	}
}

uint32_t bpf_run(const struct sock_fprog *prog, const struct seccomp_data *data, size_t *ret_steps)
{
	struct machine m = { 0 };
	size_t steps = 0;
	for (size_t pc = 0; pc < prog->len; pc++) {
		const struct sock_filter *insn = &prog->filter[pc];
		steps++;
		if (BPF_CLASS(insn->code) == BPF_RET) {
			if (ret_steps)
				*ret_steps = steps;
			return BPF_RVAL(insn->code) == BPF_A ? m.a : insn->k;
		}
		if (BPF_CLASS(insn->code) == BPF_JMP) {
			long by = jump(&m, insn);
			if (by < 0)
				return BPF_BROKEN;
			pc += (size_t)by;
		} else if (step(&m, insn, data) < 0) {
			return BPF_BROKEN;
		}
	}
	return BPF_BROKEN;
}

static const char *errno_name(unsigned number)
{
	static char other[32];
	switch (number) {
	case EPERM:
		return "EPERM";
	case ENOSYS:
		return "ENOSYS";
	case EAFNOSUPPORT:
		return "EAFNOSUPPORT";
	case EPROTONOSUPPORT:
		return "EPROTONOSUPPORT";
	default:
		snprintf(other, sizeof(other), "errno_%u", number);
		return other;
	}
}

const char *bpf_action_name(uint32_t action)
{
	static char other[32];
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return "allow";
	case SECCOMP_RET_ERRNO:
		return errno_name(action & SECCOMP_RET_DATA);
	case SECCOMP_RET_KILL_PROCESS:
		return "kill_process";
	default:
		snprintf(other, sizeof(other), "action_%08x", action);
		return other;
	}
}
