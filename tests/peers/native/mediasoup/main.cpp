// Asks mediasoup's active speaker observer. Standard input has "TRACE" and a number that is not looked at, then lines
// "milliseconds person level" (0 the loudest, 127 silence) in the order of time, and as many such traces as wanted; each is
// answered by "TRACE", then by lines "milliseconds person".
//
// The observer is compiled as it is, out of the crate mediasoup-sys. What it knows of the worker around it is here: a
// clock that moves when it is told to, producers that only have a name, and a channel that prints.
#define MS_SHARED_INTERFACE_HPP
#define MS_LOGGER_HPP
#define MS_ERRORS_HPP
#define MS_MEDIASOUP_ERRORS_HPP
#define MS_RTC_RTP_DICTIONARIES_HPP
#define MS_RTC_RTP_OBSERVER_HPP
#define MS_TRACE()
#define MS_ABORT(what) std::abort()
#define MS_THROW_ERROR(what) throw std::runtime_error(what)
#define MS_THROW_TYPE_ERROR(what) throw std::runtime_error(what)

#include "common.hpp"
#include "handles/TimerHandleInterface.hpp"
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

namespace FBS {
namespace ActiveSpeakerObserver {
struct ActiveSpeakerObserverOptions {
	int interval() const { return 300; }
};
inline std::string CreateDominantSpeakerNotificationDirect(int, const char* person) { return person; }
} // namespace ActiveSpeakerObserver
namespace Notification {
enum class Event { ACTIVESPEAKEROBSERVER_DOMINANT_SPEAKER };
enum class Body { ActiveSpeakerObserver_DominantSpeakerNotification };
} // namespace Notification
} // namespace FBS

struct Timer : TimerHandleInterface {
	int64_t due{ 0 }, repeat{ 0 };
	Listener* listener{ nullptr };
	int64_t* now{ nullptr };
	void Start(int64_t timeout, int64_t every) override { due = *now + timeout; repeat = every; }
	void Stop() override {}
	void Restart() override {}
	void Restart(int64_t timeout, int64_t every) override { Start(timeout, every); }
	int64_t GetTimeoutMs() const override { return due; }
	int64_t GetRepeatMs() const override { return repeat; }
	bool IsActive() const override { return true; }
	const std::string GetLabel() const override { return "timer"; }
};

struct Notifier {
	int64_t* now;
	int GetBufferBuilder() const { return 0; }
	void Emit(const std::string&, FBS::Notification::Event, FBS::Notification::Body, const std::string& person) const
	{
		std::cout << *now << ' ' << person << '\n';
	}
};

struct Registrator {
	void RegisterHandler(const std::string&, void*, void*) {}
	void UnregisterHandler(const std::string&) {}
};

struct SharedInterface {
	int64_t now{ 0 };
	Timer* timer{ nullptr };
	Notifier notifier{ &now };
	Registrator registrator;
	TimerHandleInterface* CreateTimer(TimerHandleInterface::Listener* listener, const char*)
	{
		timer = new Timer;
		timer->listener = listener;
		timer->now = &now;
		return timer;
	}
	int64_t GetTimeMs() const { return now; }
	Notifier* GetChannelNotifier() { return &notifier; }
	Registrator* GetChannelMessageRegistrator() { return &registrator; }
	void Run(int64_t until)
	{
		while (timer->due <= until) {
			now = timer->due;
			timer->due += timer->repeat;
			timer->listener->OnTimer(timer);
		}
	}
};

namespace RTC {
namespace Media { enum class Kind { AUDIO }; }
namespace RTP {
struct Packet {
	uint8_t level;
	bool ReadSsrcAudioLevel(uint8_t& told, bool&) const { told = level; return true; }
};
} // namespace RTP
struct Producer {
	std::string id;
	bool IsPaused() const { return false; }
	Media::Kind GetKind() const { return Media::Kind::AUDIO; }
};
class RtpObserver {
public:
	struct Listener {};
	RtpObserver(SharedInterface* shared, const std::string& id, Listener*) : id(id), shared(shared) {}
	virtual ~RtpObserver() = default;
	bool IsPaused() const { return false; }
	virtual void AddProducer(Producer* producer) = 0;
	virtual void RemoveProducer(Producer* producer) = 0;
	virtual void ReceiveRtpPacket(Producer* producer, RTP::Packet* packet) = 0;
	virtual void ProducerPaused(Producer* producer) = 0;
	virtual void ProducerResumed(Producer* producer) = 0;

protected:
	virtual void Paused() = 0;
	virtual void Resumed() = 0;
	const std::string id;
	SharedInterface* const shared;
};
} // namespace RTC

#include "RTC/ActiveSpeakerObserver.cpp"

struct Room {
	SharedInterface shared;
	FBS::ActiveSpeakerObserver::ActiveSpeakerObserverOptions options;
	RTC::ActiveSpeakerObserver observer{ &shared, "room", nullptr, &options };
	std::map<std::string, RTC::Producer> people;

	void Hear(int64_t at, const std::string& person, int level)
	{
		if (at > shared.now) {
			shared.Run(at - 1); // what is due at this instant waits for all of its levels
			shared.now = at;
		}
		auto [found, is_new] = people.try_emplace(person, RTC::Producer{ person });
		if (is_new) observer.AddProducer(&found->second);
		RTC::RTP::Packet packet{ static_cast<uint8_t>(level) };
		observer.ReceiveRtpPacket(&found->second, &packet);
	}
};

int main()
{
	std::unique_ptr<Room> room;
	std::string word;
	while (std::cin >> word) {
		if (word == "TRACE") {
			std::string silence;
			std::cin >> silence;
			if (room) room->shared.Run(room->shared.now);
			room = std::make_unique<Room>();
			std::cout << "TRACE\n";
			continue;
		}
		std::string person;
		int level;
		std::cin >> person >> level;
		room->Hear(std::stoll(word), person, level);
	}
	if (room) room->shared.Run(room->shared.now);
}
